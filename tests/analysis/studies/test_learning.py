"""Record of learning runs: the criterion for a passed run, and the agreement of page and files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.studies import learning
from roma.support.errors import UserError
from tests.synthetic import write_runs

SCALE = {
    "scale": "learnt",
    "engine": "embedded",
    "protocol": "smac_v1",
    "seeds": [0],
    "milestones": [0],
    "evaluation_episodes": 4,
    "maps": ["3m"],
    "ablation_maps": ["3m"],
    "cells": [{"maps": "maps", "arms": ["qmix"]}],
    "figures": ["validation"],
    "curves": ["test_battle_won_mean"],
}


def curve(won: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"t_env": 10_000 * np.arange(len(won)), "test_battle_won_mean": won})


def test_five_tests_count_each_ending_at_its_place():
    means = learning.smoothed(np.array([0.0, 1, 1, 1, 1, 1, 0]))
    np.testing.assert_allclose(means, [np.nan] * 4 + [0.8, 1.0, 0.8])
    assert np.isnan(learning.smoothed(np.ones(4))).all()


@pytest.mark.parametrize(
    ("won", "arm", "expected"),
    [
        ([0, 1, 1, 1, 1, 1], "qmix", 40_000),
        ([0, 1, 1, 1, 0.9, 0.9, 0.9], "qmix", 50_000),
        ([1, 1, 1, 1], "qmix", None),
        ([0, 0, 0, 1, 1, 1, 0, 0], "coma", 50_000),
        ([0, 0, 0, 1, 1, 1, 0, 0], "roma", None),
    ],
)
def test_a_run_has_passed_at_the_end_of_the_first_five_tests_that_suffice(won, arm, expected):
    assert learning.passed_at(curve(won), arm) == expected


@pytest.fixture
def runs(tmp_path) -> list[Path]:
    """Return two states of one run, the later one longer."""
    directories = []
    for total_steps in (40_000, 80_000):
        (run,) = write_runs(
            SCALE | {"total_steps": total_steps}, tmp_path / str(total_steps), points=total_steps // 10_000
        )
        directory = tmp_path / str(total_steps) / "data" / "embedded" / SCALE["scale"] / "runs" / run.directory
        directories.append(directory)
    return directories


def test_a_run_is_recorded_once_and_replaces_its_earlier_self(tmp_path, runs):
    record = tmp_path / "record"
    record.mkdir()
    learning.record(runs[:1], record)
    before = learning.read(record)
    learning.record(runs[1:], record)
    after = learning.read(record)
    assert [len(table) for table in before] == [1, 4]
    assert [len(table) for table in after] == [1, 8]
    learning.record(runs[1:], record)
    for table, again in zip(after, learning.read(record), strict=True):
        pd.testing.assert_frame_equal(table, again)


def test_published_medians():
    """The expected values were computed from the released runs before these became part of the project."""
    known = (
        learning.published(["2s3z", "3m"])
        .set_index(["protocol", "map", "arm", "t_env"])["median"]
        .round(3)
        .sort_index()
    )
    assert len(known) == 15
    assert known["smac_v1", "2s3z", "qmix"].tolist() == [0.542, 0.895, 0.973]
    assert known["smac_v1", "2s3z", "coma"].tolist() == [0.121, 0.223, 0.189]
    assert learning.published(["3m"]).empty


def test_a_page_without_a_place_for_the_table_is_refused():
    with pytest.raises(UserError, match="no place for the table"):
        learning.with_table("# Title", "| a |")


def test_the_page_shows_the_record(root):
    page = (root / learning.PAGE).read_text(encoding="utf-8")
    assert learning.with_table(page, learning.table(*learning.read(root / learning.FOLDER))) == page
