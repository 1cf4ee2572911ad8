"""Validity of the engine against released runs: passing and failing maps, and the notes on claims."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis import FIGURES, claims
from analysis.claims import validity
from analysis.claims.evidence import Evidence
from analysis.claims.validity import Standing
from analysis.tables.beside.validity import table
from roma.scenarios import released_runs
from tests.analysis.summaries import CLAIM, STEPS, around, judged_all, write_summary

SPECIFICATION = yaml.safe_load(FIGURES.read_text())["validity"]
QMIX, IQL = 0.958, 0.25  # released medians on 10m_vs_11m, the mean of five tests at 2 million steps


def summary_of(folder, levels, **more):
    """Write a summary with one seed per arm whose last five tests have this win rate: {map/arm: level}."""
    tests = {cell: [level] * 4 for cell, level in levels.items()}
    return write_summary(
        folder / "scale" / "summary", {cell: [level] for cell, level in levels.items()}, tests=tests, **more
    )


def test_where_a_single_released_run_fails_the_rule():
    """docs/analysis_plan.md has these numbers, as tranche V has one run a cell."""
    failing = {}
    for cell in product(("10m_vs_11m", "MMM2"), validity.COMPARED):
        levels = np.asarray(released_runs.win_rates_before(*cell, validity.STEPS, validity.TESTS))
        others = [np.median(np.delete(levels, place)) for place in range(len(levels))]
        if failed := int((np.abs(levels - others) > validity.MARGIN).sum()):
            failing[cell] = failed, len(levels)
    assert failing == {("10m_vs_11m", "iql"): (1, 6), ("MMM2", "qmix"): (1, 5)}
    assert max(released_runs.win_rates_before("MMM2", "vdn", validity.STEPS, validity.TESTS)) < 0.25


@pytest.mark.parametrize(
    ("levels", "standing"),
    [
        ({"qmix": 0.9, "vdn": 0.9, "iql": 0.3}, Standing.VALIDATED),
        ({"qmix": 0.9}, Standing.VALIDATED),
        ({"qmix": 0.72, "iql": 0.3}, Standing.VALIDATED),  # 24 points below
        ({"qmix": 0.7}, Standing.FAILED),  # 26 points below
        ({"qmix": 0.9, "iql": 0.51}, Standing.FAILED),  # 26 points above
        ({"qmix": 0.72, "vdn": 0.9}, Standing.VALIDATED),  # QMIX leads VDN by 2 points only in the released runs
        ({"vdn": 0.9, "iql": 0.3}, Standing.NOT_COMPARED),
        ({}, Standing.NOT_COMPARED),
    ],
)
def test_a_map_passes_by_level_and_order(tmp_path, levels, standing):
    cells = {f"10m_vs_11m/{arm}": level for arm, level in levels.items()} | {"3m/roma": 0.5}
    evidence = Evidence.read(summary_of(tmp_path, cells))
    found = validity.standings(evidence)
    assert found["10m_vs_11m"] is standing
    assert (found["8m_vs_9m"], found["2s3z"]) == (Standing.NO_PUBLIC_RUN, Standing.NOT_COMPARED)
    levels_found = validity.levels(evidence).set_index(["map", "arm"])
    assert levels_found.loc[("10m_vs_11m", "qmix"), "released"] == pytest.approx(QMIX, abs=0.01)
    assert levels_found.loc[("10m_vs_11m", "iql"), "released"] == pytest.approx(IQL, abs=0.01)


def test_a_lost_lead_fails(tmp_path, monkeypatch):
    """The margin is so wide that no level fails, so the order decides: IQL must not reach QMIX."""
    monkeypatch.setattr(validity, "MARGIN", 1.0)
    for iql, standing in ((0.49, Standing.VALIDATED), (0.5, Standing.FAILED)):
        cells = {"10m_vs_11m/qmix": 0.5, "10m_vs_11m/vdn": 0.9, "10m_vs_11m/iql": iql}
        assert validity.standings(Evidence.read(summary_of(tmp_path / str(iql), cells)))["10m_vs_11m"] is standing


def test_runs_of_another_protocol_stand_under_a_name_of_their_own(tmp_path):
    summary = summary_of(tmp_path, {"10m_vs_11m/qmix": 0.1, "10m_vs_11m/qmix_smac_v1": 0.9})
    runs = pd.read_parquet(summary / "runs.parquet")
    runs.loc[runs["arm"] == "qmix", "protocol"] = "paper"
    runs.to_parquet(summary / "runs.parquet")
    assert validity.standings(Evidence.read(summary))["10m_vs_11m"] is Standing.VALIDATED


def test_shorter_runs_are_not_compared(tmp_path):
    summary = summary_of(tmp_path, {"10m_vs_11m/qmix": 0.9}, steps=STEPS // 2)
    assert validity.standings(Evidence.read(summary))["10m_vs_11m"] is Standing.NOT_COMPARED


def test_claims_on_a_failed_map_get_no_verdict_but_an_estimate(tmp_path):
    contrast = [{"arm": "roma", "map": "10m_vs_11m"}, {"arm": "vdn", "map": "10m_vs_11m", "weight": -1}]
    cells = {"10m_vs_11m/roma": around(0.9), "10m_vs_11m/vdn": around(0.8), "10m_vs_11m/qmix": around(0.5)}
    (found, *_) = judged_all([CLAIM | {"contrast": contrast}], write_summary(tmp_path / "failed" / "summary", cells))
    assert (str(found), found.why) == ("engine not validated here", "")
    assert found.caveat == "engine not validated here: 10m_vs_11m"
    assert found.evidence.estimate.value == pytest.approx(0.1)
    tests = {"10m_vs_11m/qmix": [0.9] * 4, "10m_vs_11m/vdn": [0.8] * 4, "10m_vs_11m/roma": [0.9] * 4}
    cells["10m_vs_11m/qmix"] = around(0.9)
    passed = write_summary(tmp_path / "passed" / "summary", cells, tests=tests)
    found = judged_all([CLAIM | {"contrast": contrast}], passed)[0]
    assert (found.verdict, found.caveat) == (claims.REPRODUCED, "")


def test_claims_on_roles_do_not_depend_on_it(tmp_path):
    roles = [("10m_vs_11m/roma", "drift", STEPS, "roles", around(0.5))]
    cells = {"10m_vs_11m/roma": around(0.9), "10m_vs_11m/qmix": around(0.1)}
    summary = write_summary(tmp_path / "scale" / "summary", cells, roles=roles)
    claim = CLAIM | {"measure": "drift", "contrast": [{"arm": "roma", "map": "10m_vs_11m"}]}
    assert judged_all([claim], summary)[0].verdict == claims.REPRODUCED


def test_a_verdict_says_what_is_known_of_its_maps(tmp_path):
    maps = ["8m_vs_9m", "6z4b", "2s3z"]
    contrast = [{"arm": "roma", "map": maps}, {"arm": "maven", "map": maps, "weight": -1}]
    cells = {f"{name}/{arm}": around(level) for name in maps for arm, level in (("roma", 0.9), ("maven", 0.5))}
    found = judged_all([CLAIM | {"contrast": contrast}], write_summary(tmp_path / "scale" / "summary", cells))[0]
    assert found.verdict == claims.REPRODUCED
    assert found.caveat == "no public run to compare with: 8m_vs_9m, 6z4b; not compared with public runs: 2s3z"


def test_the_table_has_released_medians_of_every_map_and_the_earlier_runs(tmp_path):
    made = table(summary_of(tmp_path, {"10m_vs_11m/qmix": 0.7}), SPECIFICATION)
    frame = made.frame
    assert list(dict.fromkeys(frame["map"])) == SPECIFICATION["maps"]
    ours = frame[(frame["map"] == "10m_vs_11m") & (frame["arm"] == "qmix") & (frame["steps"] == 2_000_000)].iloc[0]
    assert (ours["ours"], ours["our runs"], ours["map's standing"]) == (0.7, 1, "engine not validated here")
    released = frame[(frame["steps"] == 2_000_000) & (frame["map"] == "MMM2")].set_index("arm")["released"]
    for arm in ("qmix", "vdn", "iql"):
        expected = np.median(released_runs.win_rates_before("MMM2", arm, 2_000_000, 5))
        assert released[arm] == pytest.approx(expected)
    earlier = frame[frame["steps"] == 500_000]
    assert earlier[["map", "arm"]].to_numpy().tolist() == [
        ["2s3z", "iql"],
        ["2s3z", "qmix"],
        ["2s3z", "vdn"],
        ["5m_vs_6m", "qmix"],
        ["10m_vs_11m", "qmix"],
    ]
    assert earlier["map's standing"].isna().all()
    without = frame[frame["steps"].isna()]
    assert set(without["map"]) == {"8m_vs_9m", "6z4b", "10z5b_vs_2s3z", "6s4z_vs_10b30z"}
    assert set(without["map's standing"]) == {"no public run to compare with"}
