"""The table of how much roles matter: means and intervals of given numbers, untrained networks, and missing runs."""

import numpy as np
import pandas as pd
import pytest

from analysis.statistics import student_interval
from analysis.tables import influence
from tests.analysis.summaries import STEPS, around, write_summary

SPECIFICATION = {"maps": ["MMM2", "3m"], "arms": ["roma", "roma_td"]}
SHARES = around(0.9, 3, 0.05)
NETWORKS = around(0.01, 20, 0.005)
LOST = around(8.0, 3, 1.0)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """ROMA on 3m and an arm of the reader's on 8m; QMIX has no roles, and one of ROMA's measures varies by chance."""
    roles = [
        ("3m/roma", "mean_share", STEPS, "roles", SHARES),
        ("3m/roma", "mean_share", STEPS, "permuted", around(0.5, 3)),
        ("3m/roma", "mean_share", 0, "roles", around(0.02, 3)),
        ("3m/roma", "mean_share", 0, "untrained", NETWORKS),
        ("3m/roma", "wins_lost", STEPS, "roles", around(0.9, 3, 0.0), 0.04),
        ("3m/roma", "return_lost", STEPS, "roles", LOST),
        ("3m/roma", "return_lost", 0, "untrained", around(-0.001, 20, 0.0001)),
        ("8m/mine", "mean_share", STEPS, "roles", around(0.4, 2)),
    ]
    won = {cell: around(0.5, 3) for cell in ("3m/roma", "3m/qmix")} | {"8m/mine": around(0.5, 2)}
    summary = write_summary(tmp_path_factory.mktemp("influence") / "lab" / "summary", won, roles)
    return influence.table(summary, SPECIFICATION)


def rows(table, map_name, arm):
    return table.frame.query("map == @map_name and arm == @arm").set_index("measure")


def test_means_with_their_intervals_at_the_end_of_training(table):
    found = rows(table, "3m", "roma").loc["mean_share"]
    expected = student_interval(SHARES[:, None])
    assert (found["n"], found["steps"]) == (3, STEPS)
    assert found["mean"] == pytest.approx(SHARES.mean())
    assert found["low"] == pytest.approx(expected.low[0])
    assert found["high"] == 1  # a share
    lost = rows(table, "3m", "roma").loc["return_lost"]
    np.testing.assert_allclose(lost[["low", "high"]].astype(float), np.ravel(student_interval(LOST[:, None])[1:3]))


def test_no_interval_is_narrower_than_the_episodes_of_a_run_allow(table):
    found = rows(table, "3m", "roma").loc["wins_lost"]
    assert found["low"] == pytest.approx(0.9 - 4.302653 * np.sqrt(0.04 / 3))


def test_untrained_networks_are_the_last_row_of_a_map(table):
    found = rows(table, "3m", "untrained")
    assert found.loc["mean_share", "n"] == len(NETWORKS)
    assert found.loc["mean_share", "mean"] == pytest.approx(NETWORKS.mean())
    assert list(dict.fromkeys(table.frame.query("map == '3m'")["arm"])) == ["roma", "roma_td", "untrained"]


def test_readers_see_a_row_for_each_arm_with_roles(table):
    assert list(zip(table.shown["map"], table.shown["algorithm"], strict=True)) == [
        *(("MMM2", name) for name in ("ROMA", "$L_{TD}$")),
        *(("3m", name) for name in ("ROMA", "$L_{TD}$", "untrained networks")),
        *(("8m", name) for name in ("mine", "untrained networks")),
    ]
    seen = table.shown.set_index(["map", "algorithm"])
    assert seen.loc[("3m", "ROMA"), "variance of means"] == "0.90 [0.78, 1.00]"
    assert seen.loc[("8m", "mine"), "variance of means"] == "0.40"
    assert pd.isna(seen.loc[("MMM2", "ROMA"), "variance of means"])
    assert seen.loc[("3m", "untrained networks"), "return lost"].startswith("0.00 [")  # and no minus


def test_what_is_missing_is_said(table):
    assert "Missing runs: MMM2/roma, MMM2/roma_td, 3m/roma_td" in table.notes
