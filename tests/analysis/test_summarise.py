"""From run directories to tidy tables."""

import json

import numpy as np
import pandas as pd
import pytest

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
    withheld,
    write,
)
from roma.cli import main
from roma.runs.config import resolve
from roma.runs.directory import RunDirectory
from tests.analysis.conftest import SCALE
from tests.synthetic import write_runs


def read(results, table):
    return pd.read_parquet(results / "summary" / f"{table}.parquet")


def test_one_row_a_run(results):
    runs = read(results, "runs")
    assert len(runs) == 12
    assert set(runs["protocol"]) == {"smac_v1"}
    assert set(runs["total_steps"]) == {200_000}
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
    run = expected_runs(results, ["MMM2/roma/seed0"])[0]
    moved = RunDirectory(tmp_path / "MMM2" / "roma" / "seed0")
    moved.path.mkdir(parents=True)
    config = resolve("MMM2", "roma", 0, overrides={"test_interval": 100})
    moved.config_file.write_text(json.dumps(config.to_json()))
    run.read_metrics().iloc[:3].assign(t_env=[7, 100, 299]).to_parquet(moved.metrics_file)
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
    """The results, or only the runs, may lie on another disk."""
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
    assert RunDirectory(moved / "runs" / "3m" / "roma" / "seed0").rollout_file == rollout


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
    names = [f"{cell}/seed{seed}" for cell in cells for seed in range(3)]
    assert main(["summarise", str(results), "--runs", *names]) == 0
    assert {file.name: file.read_bytes() for file in (results / "summary").iterdir()} == before


def test_without_names_every_finished_run_is_taken(results):
    runs = found_runs(results)
    assert len(runs) == 12
    tables = {"runs", "plan", "curves", "intervals", "evaluations", "finals", "roles", "episodes", "dissimilarity"}
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
    provenance = expected_runs(results, ["MMM2/roma/seed1"])[0].provenance
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


@pytest.mark.parametrize("name", ["MMM2/iql/seed0", "3m/roma/seed0", "MMM2/roma"])
def test_a_missing_run_is_named(results, capsys, name):
    assert main(["summarise", str(results), "--runs", name]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert name in message
    assert message.count("\n") == 1


def test_the_plan_has_cells_that_are_still_to_come(results):
    table = summarise(found_runs(results), {("MMM2", "roma"): 5, ("8m", "iql"): 3}, "as yet")["plan"]
    assert table.set_index(["map", "arm"])["seeds"].to_dict() == {
        **{(name, arm): 3 for name in ("MMM2", "10z5b_vs_2s3z") for arm in ("roma", "qmix")},
        ("MMM2", "roma"): 5,
        ("8m", "iql"): 3,
    }
    assert table.attrs["withheld"] == "as yet"
    assert withheld(results / "summary") == ""


def test_evaluations_of_earlier_policies_stand_beside_the_last(tmp_path):
    write_runs(SCALE | {"maps": ["3m"], "ablation_maps": ["3m"]}, tmp_path, measured=False)
    folder = tmp_path / "data" / "embedded" / "lab"
    run = found_runs(folder)[0]
    last = run.last_step()
    provenance = run.provenance | {"milestones": [0, 100_000]}
    run.provenance_file.write_text(json.dumps(provenance))
    earlier = run.read_evaluation(last) | {"step": 100_000, "battle_won_mean": 0.125}
    run.evaluation_file(100_000).write_text(json.dumps(earlier))
    tables = summarise(found_runs(folder))
    assert tables["finals"]["step"].tolist() == [last] * 6
    mine = tables["evaluations"].query("arm == @run.arm and seed == @run.seed")
    assert mine["step"].tolist() == [100_000, last]
    assert mine["battle_won_mean"].tolist()[0] == 0.125


@pytest.mark.parametrize("word", ["MMM2/roma", "MMM2=3", "MMM2/roma=many"])
def test_a_planned_cell_is_a_map_an_arm_and_a_number(results, capsys, word):
    assert main(["summarise", str(results), "--planned", word]) == 2
    assert f"{word!r} is not MAP/ARM=N" in capsys.readouterr().err
