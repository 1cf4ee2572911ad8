"""Rollouts to measurements, and measurements to the tables of roles, episodes and dissimilarity."""

import shutil

import numpy as np
import pandas as pd
import pytest

from analysis.measures import measurements, roles, rollouts
from analysis.runs import expected_runs
from roma.cli import main
from roma.runs.directory import RunDirectory
from tests.analysis.conftest import SCALE
from tests.milestones import milestone
from tests.synthetic import invented_rollout
from workflow.grid import expand


def read(results, table):
    return pd.read_parquet(results / "summary" / f"{table}.parquet")


@pytest.fixture(scope="module")
def rollout():
    return invented_rollout(expand(SCALE, "lab").runs["MMM2", "roma", 0], SCALE["milestones"])


def test_measures_stand_for_every_milestone_and_both_references(results):
    table = read(results, "roles")
    columns = [*measurements.CELL, *rollouts.ROLES, "chance"]
    columns.remove("episode")
    assert list(table) == columns
    assert set(table["arm"]) == {"roma"}
    assert set(table["step"]) == {0, 200_000}
    assert table["value"].notna().all()
    assert not table.duplicated(columns[:-2]).any()
    measures = set(table.query("map == 'MMM2' and reference == 'roles'")["measure"])
    assert {"silhouette_type", "probe_role", "L_I", "dissimilarity_auc", "medivac_separation"} <= measures
    assert "healthiest_rank" not in measures
    assert "silhouette_type" in set(table.query("reference == 'observations'")["measure"])


def test_nulls_stand_beside_and_every_untrained_network_has_a_row(results):
    table = read(results, "roles").query("map == 'MMM2' and measure == 'silhouette_type_first'")
    last = table.query("step == 200000 and seed == 0")
    assert set(last["reference"]) == {"roles", "observations", "projected", "principal", "permuted"}
    untrained = table.query("reference == 'untrained'")
    assert sorted(untrained["seed"]) == list(range(9))  # three a run of three seeds
    assert (untrained["step"] == 0).all()
    assert untrained["chance"].isna().all()
    assert last.loc[last["reference"] == "roles", "chance"].item() > 0
    assert last.set_index("reference")["value"]["permuted"] == pytest.approx(-0.2, abs=0.1)
    informed = read(results, "roles").query("map == 'MMM2' and measure == 'changed_by_exchange_of_type'")
    assert set(informed["reference"]) == {"roles", "untrained"}


def test_synthetic_roles_follow_types_once_trained(results):
    """The tables recover the relation between roles and types of the synthetic runs."""
    table = read(results, "roles").query("map == 'MMM2' and reference == 'roles' and measure == 'silhouette_type'")
    by_step = table.groupby("step")["value"].mean()
    assert by_step[200_000] > by_step[0] + 0.2


def test_the_shown_episode_is_whole_at_the_end_and_a_beginning_before(results, rollout):
    table = read(results, "episodes")
    assert list(table) == [*measurements.CELL, "shown", *rollouts.EPISODES]
    mine = table.query("map == 'MMM2' and seed == 0 and step == 200000")
    last = rollout.milestones[-1]
    number = int(mine["episode"].iloc[0])
    start, length = last.starts[number], last.lengths[number]
    assert sorted(mine["t"].unique()) == list(range(1, length + 2))
    assert len(mine) == (length + 1) * 22
    at = mine.query("t == 3").sort_values("unit")
    np.testing.assert_array_equal(at["x"], last.units[start + 2, :, 0].astype(float))
    np.testing.assert_array_equal(at[rollouts.ROLE_COLUMNS][:10], last.role_mean[start + 2].astype(float))
    assert at[rollouts.ROLE_COLUMNS][10:].isna().all(axis=None)
    np.testing.assert_allclose(at[rollouts.SIGMA_COLUMNS][:10], np.sqrt(last.role_variance[start + 2]), rtol=1e-6)
    assert at["type"].iloc[0] == "Marauder"
    assert at["max_health"].iloc[0] == 125
    earlier = table.query("map == 'MMM2' and seed == 0 and step == 0")
    assert (earlier["t"] == 1).all()
    assert len(earlier) == 22


def test_targets_are_whom_actions_choose():
    actions = np.array([[6, 7, 6, 3]], np.int8)
    found = rollouts._targets(actions, [False, False, True, False], 6)
    assert found.tolist() == [[4, 5, 0, -1, -1, -1]]


@pytest.mark.parametrize(("rates", "seed"), [([0.1, 0.5, 0.3], 2), ([0.4, 0.4, 0.4], 1), ([0.9, 0.1], 1), ([0.7], 0)])
def test_the_seed_of_median_win_rate_is_shown(rates, seed):
    finals = pd.DataFrame({"map": "a", "arm": "b", "seed": range(len(rates)), "battle_won_mean": rates})
    assert measurements.shown_seeds(finals) == {("a", "b"): seed}


def test_one_seed_of_each_cell_is_shown(results):
    shown = read(results, "episodes").query("shown").groupby(["map", "arm"])["seed"].nunique()
    assert (shown == 1).all()
    assert len(shown) == 2


@pytest.mark.parametrize(
    ("won", "wanted", "number", "rule"),
    [
        ([False, True, True], [27], 2, "first won episode"),
        ([True, True, False], [27], 2, "none of them was won"),
        ([True, True, True], [50], 2, "longest"),
        ([False, True, True], [1], 1, "first won episode"),
    ],
)
def test_the_episode_is_chosen_by_rule(won, wanted, number, rule):
    episodes = milestone(lengths=(20, 22, 40), won=np.array(won))
    found, said = rollouts.chosen_episode(episodes, ["Marine"] * 4, wanted)
    assert found == number
    assert rule in said


def test_table_of_dissimilarity_against_plain_loops(results, rollout):
    table = read(results, "dissimilarity").query("map == 'MMM2' and seed == 0 and step == 200000")
    last = rollout.milestones[-1]
    names = np.array(rollouts.agent_types(rollout, last))
    row = table.query("episode == 1 and type_a == 'Marine' and type_b == 'Medivac' and scaling == 'step'").iloc[0]
    values = []
    for moment in np.flatnonzero((last.episode == 1) & last.decides & (last.t > 1)):
        alive = last.alive[moment, :10]
        d = last.dissimilarity[moment].astype(float)
        of_living = [d[i, j] for i in range(10) for j in range(10) if i != j and alive[i] and alive[j]]
        for i in np.flatnonzero(alive & (names == "Marine")):
            for j in np.flatnonzero(alive & (names == "Medivac")):
                values.append((d[i, j] - min(of_living)) / (max(of_living) - min(of_living)))
    assert row["pairs"] == len(values)
    assert row["d_mean"] == pytest.approx(np.mean(values))
    assert row["d_std"] == pytest.approx(np.std(values, ddof=1))
    assert row["relation"] == "between"
    assert set(table["scaling"]) == {"step", "data set"}
    assert table["d_mean"].between(0, 1).all()


def test_each_episode_is_measured_alone_beside_its_milestone(rollout):
    table = rollouts.role_table(rollout).query("reference == 'roles' and measure == 'silhouette_type'")
    last = rollout.milestones[-1]
    mine = table.query("step == 200000").set_index("episode")["value"]
    assert mine.index.tolist() == [rollouts.ALL, *range(len(last.seeds))]
    # The total is the mean of the parts, weighted by their lengths.
    weights = [
        np.isfinite(roles.silhouette(roles.distances(part.role_mean), _types(rollout, part))).sum()
        for part in (last.part(number, number + 1) for number in range(len(last.seeds)))
    ]
    assert mine[rollouts.ALL] == pytest.approx(np.average(mine.iloc[1:], weights=weights))


def _types(rollout, milestone):
    names = rollouts.agent_types(rollout, milestone)
    types = np.array([sorted(set(names)).index(name) for name in names])
    return np.where(milestone.alive[:, : len(names)] & milestone.decides[:, None], types, -1)


def test_what_was_not_measured_is_said_and_left_out(results, tmp_path, capsys):
    (run,) = expected_runs(results, ["10z5b_vs_2s3z/roma/seed1"])
    moved = tmp_path / "runs" / "10z5b_vs_2s3z" / "roma" / "seed1"
    shutil.copytree(run.path, moved)
    file = RunDirectory(moved).measurement_file("roles")
    assert file == tmp_path / "measurements" / "10z5b_vs_2s3z" / "roma" / "seed1" / "roles.parquet"
    arguments = ["summarise", str(tmp_path), "--runs", "10z5b_vs_2s3z/roma/seed1"]
    assert main(arguments) == 0
    assert f"left out of the role tables: {file} is missing; run: roma measure {moved}" in capsys.readouterr().err
    assert len(read(tmp_path, "roles")) == len(read(tmp_path, "episodes")) == 0
    shutil.copytree(run.measurement_file("roles").parent, file.parent)
    assert main(arguments) == 0
    assert capsys.readouterr().err == ""
    assert len(read(tmp_path, "roles")) > 0
    content = file.read_bytes()
    file.write_bytes(content[:-7])
    assert main(arguments) == 2
    assert f"error: {file} is damaged" in capsys.readouterr().err
    for attribute, message in (
        ("format", "has format 0, this version"),
        ("total_steps", "was made at 0 steps, the run"),
    ):
        file.write_bytes(content)
        table = pd.read_parquet(file)
        table.attrs[attribute] = 0
        table.to_parquet(file)
        assert main(arguments) == 0
        assert f"{file} {message}" in capsys.readouterr().err
    # Without its recorded episode a run lacks only the pictures.
    file.write_bytes(content)
    file.with_name("episodes.parquet").unlink()
    assert main(arguments) == 0
    assert len(read(tmp_path, "roles")) > 0
    assert len(read(tmp_path, "episodes")) == 0
