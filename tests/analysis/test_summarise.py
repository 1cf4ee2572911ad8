"""From run directories to tidy tables."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.runs import expected_runs, found_runs
from analysis.statistics import student_interval
from analysis.summarise import (
    curves,
    facts_of,
    inputs_digest,
    joined,
    scale_of,
    summaries_beside,
    summarise,
    write,
)
from roma.outputs import rollout_path


def read(results, table):
    return pd.read_parquet(results / "summary" / f"{table}.parquet")


def test_one_row_a_run(results):
    runs = read(results, "runs")
    assert len(runs) == 12
    assert set(runs["protocol"]) == {"smac_v1"}
    assert set(runs["steps"]) == {200_000}
    finals = read(results, "finals")
    assert len(finals) == 12
    assert finals["battle_won_mean"].between(0, 1).all()
    assert set(finals["episodes"]) == {16}


def test_tests_of_all_seeds_share_a_grid(results):
    table = read(results, "curves")
    assert (table["step"] % 10_000 == 0).all()
    assert ((table["t_env"] - table["step"]).between(0, 9_999)).all()
    assert (table.groupby(["map", "arm", "step"]).size() == 3).all()


def test_a_test_on_a_multiple_belongs_to_it(results, tmp_path):
    run = expected_runs(results, ["MMM2/roma"], [0])[0]
    (tmp_path / "config.json").write_text(json.dumps({"test_interval": 100}))
    metrics = run.read_metrics().iloc[:3].assign(t_env=[7, 100, 299])
    metrics.to_parquet(tmp_path / "metrics.parquet")
    moved = type(run)(tmp_path, run.map, run.arm, run.seed)
    assert curves([moved])["step"].tolist() == [0, 100, 200]


def test_intervals_are_those_of_the_seeds(results):
    table, means = read(results, "curves"), read(results, "intervals")
    cell = table.query("map == 'MMM2' and arm == 'qmix'")
    scores = cell.pivot_table(index="seed", columns="step", values="test_battle_won_mean").to_numpy()
    rows = means.query("map == 'MMM2' and arm == 'qmix' and metric == 'test_battle_won_mean'")
    expected = student_interval(scores, bounds=(0.0, 1.0))
    np.testing.assert_array_equal(rows["mean"], expected.mean)
    np.testing.assert_array_equal(rows["low"], expected.low)
    np.testing.assert_array_equal(rows["n"], expected.n)


def test_a_link_below_data_changes_no_name(results, tmp_path):
    """The results, or the runs alone, may lie on another disk."""
    (tmp_path / "scales").mkdir()
    linked = tmp_path / "scales" / "other"
    linked.symlink_to(results, target_is_directory=True)
    assert scale_of(linked / "summary") == "other" != scale_of(results / "summary")
    assert summaries_beside(linked / "summary", {"beside": ["other", "extra"]}) == {}
    (tmp_path / "scales" / "extra" / "summary").mkdir(parents=True)
    beside = summaries_beside(linked / "summary", {"beside": ["other", "extra"]})
    assert beside == {"extra": tmp_path / "scales" / "extra" / "summary"}
    moved = tmp_path / "paper"
    (moved / "runs" / "3m" / "roma").mkdir(parents=True)
    (tmp_path / "another_disk").mkdir()
    (moved / "runs" / "3m" / "roma" / "seed0").symlink_to(tmp_path / "another_disk", target_is_directory=True)
    rollout = moved / "rollouts" / "3m" / "roma" / "seed0.safetensors"
    assert rollout_path(moved / "runs" / "3m" / "roma" / "seed0") == rollout


def test_runs_on_several_versions_of_the_engine_name_them_all(results):
    runs = read(results, "runs")
    changed = (runs["map"] == "MMM2") & (runs["seed"] == 1)
    runs.loc[changed, "engine_version"] = "2"
    engines = facts_of(results / "summary", runs, ["map", "arm"]).set_index(["map", "arm"])["engine"]
    assert engines["MMM2", "roma"] == "embedded engine version 1 and embedded engine version 2"
    assert engines["10z5b_vs_2s3z", "roma"] == "embedded engine version 1"
    assert joined(engines) == engines["MMM2", "roma"]


def test_same_runs_same_bytes(results):
    before = {file.name: file.read_bytes() for file in (results / "summary").iterdir()}
    cells = ["MMM2/roma", "MMM2/qmix", "10z5b_vs_2s3z/roma", "10z5b_vs_2s3z/qmix"]
    assert main(["summarise", str(results), "--cells", *cells, "--seeds", "0", "1", "2"]) == 0
    assert {file.name: file.read_bytes() for file in (results / "summary").iterdir()} == before


def test_without_cells_every_finished_run_is_taken(results):
    runs = found_runs(results)
    assert len(runs) == 12
    tables = {"runs", "curves", "intervals", "finals", "roles", "episodes", "dissimilarity"}
    assert set(summarise(runs)) == tables | {"settings", "cost", "role_health"}


def test_settings_of_each_map_and_arm(results):
    table = read(results, "settings")
    assert not table.duplicated(["map", "arm", "setting"]).any()
    rows = table.query("map == 'MMM2' and setting == 'mixer_embed_dim'")
    assert rows[["arm", "value"]].to_numpy().tolist() == [["roma", "32"], ["qmix", "32"]]
    assert "seed" not in set(table["setting"])


def test_cost_is_that_of_the_provenance(results):
    table = read(results, "cost")
    assert len(table) == 12
    assert set(table["wall_seconds"]) == {2000.0}
    provenance = expected_runs(results, ["MMM2/roma"], [1])[0].read_json("provenance.json")
    (row,) = table.query("map == 'MMM2' and arm == 'roma' and seed == 1").to_dict("records")
    assert row["env_steps_per_second"] == provenance["environment_steps"] / 2000
    assert row["updates"] == provenance["updates"]


def test_digest_of_the_inputs_knows_numbers_but_no_clocks(results, tmp_path):
    tables = summarise(found_runs(results))
    write(tables, tmp_path)
    before = inputs_digest(tmp_path)
    write({"cost": tables["cost"].assign(wall_seconds=1.0)}, tmp_path)
    assert inputs_digest(tmp_path) == before
    write({"finals": tables["finals"].assign(battle_won_mean=0.5)}, tmp_path)
    assert inputs_digest(tmp_path) != before


@pytest.mark.parametrize("cells", [["MMM2/iql"], ["3m/roma"]])
def test_a_missing_run_is_named(results, capsys, cells):
    assert main(["summarise", str(results), "--cells", *cells]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert f"{cells[0]}/seed0" in message
    assert message.count("\n") == 1
