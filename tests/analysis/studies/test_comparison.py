"""A reader's arm beside others: compared at the steps that all have reached, with every seed of each."""

import pandas as pd
import pytest

from analysis.figures.aggregates import IMPROVEMENT, IQM
from analysis.studies import comparison
from roma.runs.directory import RunDirectory
from tests.synthetic import write_runs
from tests.workflow.conftest import TINY

SCALE = TINY | {
    "maps": ["3m"],
    "cells": [
        {"maps": ["3m"], "arms": ["qmix"], "seeds": [0, 1, 2, 3]},
        {"maps": ["3m"], "arms": ["vdn"], "seeds": [0, 1, 2], "total_steps": 200_000},
        {"maps": ["3m"], "arms": ["iql"], "seeds": [0, 1]},
    ],
}


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    """Tables of invented runs, of which those of vdn, called mine, are twice as long and lie in folders of any name."""
    folder = tmp_path_factory.mktemp("comparison")
    runs = []
    for run in write_runs(SCALE, folder, points=11):
        directory = folder / "data/embedded/tiny/runs" / run.directory
        if run.arm == "vdn":
            runs.append(comparison.ComparedRun(directory.rename(folder / f"run{run.seed}"), "mine"))
        else:
            runs.append(RunDirectory(directory))
    comparison.write_summary(runs, folder / "summary")
    return folder / "summary"


def scores(summary, arm, step):
    """The mean of each run's tests in the last tenth of its first steps."""
    tests = pd.read_parquet(summary / "curves.parquet").query("arm == @arm and step > 0.9 * @step and step <= @step")
    return tests.groupby("seed")["test_battle_won_mean"].mean().tolist()


def test_runs_of_any_folder_are_known_by_configuration_and_name(summary):
    runs = pd.read_parquet(summary / "runs.parquet")
    mine = runs[runs["arm"] == "mine"]
    assert mine[["map", "seed", "algorithm", "total_steps"]].to_numpy().tolist() == [
        ["3m", seed, "vdn", 200_000] for seed in range(3)
    ]


def test_arms_are_compared_at_the_steps_of_the_shortest_run(summary):
    frame = comparison.data(summary, "3m", ["mine", "qmix", "iql"]).set_index(["statistic", "arm"])
    assert set(frame["step"]) == {100_000}
    mine, qmix = scores(summary, "mine", 100_000), scores(summary, "qmix", 100_000)
    assert (len(mine), len(qmix)) == (3, 4)
    assert frame.loc[(IQM, "mine"), "value"] == pytest.approx(sum(mine) / 3)
    assert frame.loc[(IQM, "qmix"), "value"] == pytest.approx(sum(sorted(qmix)[1:3]) / 2)
    better = sum((one > other) + 0.5 * (one == other) for one in mine for other in qmix) / 12
    assert frame.loc[(IMPROVEMENT, "qmix"), "value"] == pytest.approx(better)
    assert (IMPROVEMENT, "mine") not in frame.index


def test_few_seeds_have_no_interval_and_the_notes_say_so(summary):
    frame = comparison.data(summary, "3m", ["mine", "qmix", "iql"])
    few = frame["arm"] == "iql"
    assert frame.loc[few, ["low", "high"]].isna().all(axis=None)
    assert frame.loc[~few, ["low", "high"]].notna().all(axis=None)
    first, second, third = comparison.notes(frame)
    assert first == "embedded engine version 1; 3m; seeds: mine 3, QMIX 4, IQL 2"
    assert "last tenth of 100,000 environment steps" in second
    assert third.endswith("; no interval below 3 seeds")
    assert not comparison.notes(frame[~few])[2].endswith("seeds")


def test_a_table_has_win_rates_beside_both_statistics(summary):
    frame = comparison.data(summary, "3m", ["mine", "qmix", "iql"])
    table = comparison.table(summary, frame).set_index("arm")
    assert list(table.index) == ["mine", "qmix", "iql"]
    assert table.loc["qmix", "win rate"] == pytest.approx(sum(scores(summary, "qmix", 100_000)) / 4)
    assert pd.isna(table.loc["iql", "95 %"])
    assert pd.isna(table.loc["mine", "improvement"])
    found = frame[(frame["arm"] == "qmix") & (frame["statistic"] == IMPROVEMENT)].iloc[0]
    assert table.loc["qmix", "improvement, 95 %"] == f"{found['low']:.2f} to {found['high']:.2f}"
