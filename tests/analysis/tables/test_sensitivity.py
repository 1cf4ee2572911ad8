"""The table of other readings: differences from the reference, what was changed, what is missing."""

from shutil import copytree, rmtree

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import t, ttest_ind

from analysis import FIGURES, summarise
from analysis.tables import sensitivity
from roma.cli import main
from tests.analysis.conftest import SCALE
from tests.synthetic import write_runs

ARMS = {
    "roma_signed_d": {"algorithm": "roma", "overrides": {"absolute_dissimilarity": False}},
    "roma_target_400": {"algorithm": "roma", "overrides": {"target_update_episodes": 400}},
    "roma_density": {"algorithm": "roma", "overrides": {"log_density": False}},
}
TWINS = {"qmix_target_400": {"algorithm": "qmix", "overrides": {"target_update_episodes": 400}}}
REFERENCES = {"roma": [*ARMS, "roma_mask_dead"], "qmix": [*TWINS]}
PLANNED = ("roma", *ARMS, "qmix", *TWINS)
SHORTER = 100_000  # environment steps
INTERVAL = ["difference, low", "difference, high"]
SPECIFICATION = {"maps": ["MMM2"], "references": REFERENCES}


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    """Three seeds of each arm; one reading of QMIX has fewer steps than QMIX, and one of ROMA has no run yet."""
    root = tmp_path_factory.mktemp("readings")
    cells = [
        {"maps": ["MMM2"], "arms": ["roma", *ARMS, "qmix"]},
        {"maps": ["MMM2"], "arms": [*TWINS], "total_steps": SHORTER},
    ]
    scale = SCALE | {"cells": cells, "arms": ARMS | TWINS}
    write_runs(scale, root, measured=False)
    folder = root / "data" / "embedded" / "lab"
    rmtree(folder / "runs" / "MMM2" / "roma_density")
    assert main(["summarise", str(folder), "--planned", *(f"MMM2/{arm}=3" for arm in PLANNED)]) == 0
    return folder / "summary"


def of(table, measure):
    """The rows of a measure, by arm."""
    return table.frame[table.frame["measure"] == measure].set_index("arm")


def test_differences_with_their_intervals(summary):
    frame = of(sensitivity.table(summary, SPECIFICATION), "final_win_rate")
    finals = pd.read_parquet(summary / "finals.parquet").groupby("arm")["final_win_rate"]
    scores = {arm: values.to_numpy() for arm, values in finals}
    for arm in ("roma_signed_d", "roma_target_400"):
        expected = ttest_ind(scores[arm], scores["roma"], equal_var=False).confidence_interval()
        assert frame.loc[arm, "difference"] == pytest.approx(scores[arm].mean() - scores["roma"].mean())
        assert frame.loc[arm, INTERVAL].tolist() == pytest.approx(list(expected))
    assert np.isnan(frame.loc["roma", "difference"])
    assert frame.loc["roma", "win rate"] == pytest.approx(scores["roma"].mean())


def test_the_mean_of_all_tests_stands_beside_the_last_tenth(summary):
    table = sensitivity.table(summary, SPECIFICATION)
    frame = of(table, "mean_test_win_rate")
    curves = pd.read_parquet(summary / "curves.parquet")
    runs = curves[curves["arm"].isin(["roma", "roma_signed_d"])].groupby(["arm", "seed"])["test_battle_won_mean"].mean()
    means = runs.groupby("arm").mean()
    assert frame.loc["roma", "win rate"] == pytest.approx(means["roma"])
    assert frame.loc["roma_signed_d", "difference"] == pytest.approx(means["roma_signed_d"] - means["roma"])
    low, high = frame.loc["roma_signed_d", INTERVAL]
    shown = table.shown.set_index("setting").loc["absolute_dissimilarity = false (true)"]
    difference = means["roma_signed_d"] - means["roma"]
    assert shown["difference, all tests"] == f"{difference:.2f} [{low:.2f}, {high:.2f}]"


def test_a_single_seed_is_taken_to_deviate_as_the_reference_does(summary, tmp_path):
    alone = copytree(summary, tmp_path / "summary")
    for name in ("runs", "curves", "evaluations", "finals"):
        file = alone / f"{name}.parquet"
        rows = pd.read_parquet(file)
        rows[(rows["arm"] != "roma_signed_d") | (rows["seed"] == 0)].to_parquet(file)
    arm = of(sensitivity.table(alone, SPECIFICATION), "final_win_rate").loc["roma_signed_d"]
    finals = pd.read_parquet(summary / "finals.parquet").set_index(["arm", "seed"])["final_win_rate"]
    one, reference = finals["roma_signed_d", 0], finals["roma"].to_numpy()
    half = t.ppf(0.975, len(reference) - 1) * reference.std(ddof=1) * np.sqrt(1 + 1 / len(reference))
    assert arm["seeds"] == 1
    assert arm["difference"] == pytest.approx(one - reference.mean())
    assert arm[INTERVAL].tolist() == pytest.approx([one - reference.mean() - half, one - reference.mean() + half])


def test_a_reading_is_compared_with_its_reference_at_equal_steps(summary):
    frame = of(sensitivity.table(summary, SPECIFICATION), "final_win_rate")
    curves = pd.read_parquet(summary / "curves.parquet")
    tests = summarise.last_tenth(curves[curves["arm"] == "qmix"], SHORTER)
    expected = tests.groupby("seed")["test_battle_won_mean"].mean().mean()
    finals = pd.read_parquet(summary / "finals.parquet").groupby("arm")["final_win_rate"].mean()
    assert frame.loc["qmix", ["steps", "win rate"]].tolist() == pytest.approx([SHORTER, expected])
    assert finals["qmix"] != pytest.approx(expected)
    assert frame.loc["qmix_target_400", "difference"] == pytest.approx(finals["qmix_target_400"] - expected)
    assert frame.loc["roma", "steps"] == SCALE["total_steps"]


def test_what_was_changed_is_said_in_settings(summary):
    assert sensitivity.table(summary, SPECIFICATION).shown["setting"].tolist() == [
        "roma (reference)",
        "absolute_dissimilarity = false (true)",
        "target_update_episodes = 400 (200)",
        "roma_density",
        "qmix (reference)",
        "target_update_episodes = 400 (200)",
    ]


def test_a_planned_arm_without_runs_is_named_and_another_left_out(summary):
    table = sensitivity.table(summary, SPECIFICATION)
    rows = table.frame[table.frame["seeds"] == 0]
    assert rows["arm"].tolist() == ["roma_density", "roma_density"]
    assert rows[["win rate", "difference"]].isna().all(axis=None)
    shown = table.shown.set_index("setting").loc["roma_density"]
    assert shown["seeds"] == 0
    assert shown.drop(["map", "seeds"]).isna().all()
    assert "Missing runs: MMM2/roma_density" in table.notes
    assert "roma_mask_dead" not in table.frame["arm"].tolist()
    without_reference = sensitivity.table(summary, {"maps": ["MMM2"], "references": {"roma_td": [*ARMS]}})
    assert without_reference.frame["difference"].isna().all()


def test_files(summary, tmp_path, root, monkeypatch):
    monkeypatch.chdir(root)
    assert main(["plot", "sensitivity", "--summary", str(summary), "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {f"sensitivity.{kind}" for kind in ("csv", "md", "tex")}
    assert "| absolute_dissimilarity = false (true) |" in (tmp_path / "sensitivity.md").read_text()


def test_the_table_has_every_arm_of_the_scale(root):
    scale = yaml.safe_load((root / "workflow" / "config" / "sensitivity.yaml").read_text())
    figure = yaml.safe_load(FIGURES.read_text())["sensitivity"]
    (cell,) = scale["cells"]
    assert cell["arms"] == [arm for reference, arms in figure["references"].items() for arm in (reference, *arms)]
    assert figure["maps"] == scale["maps"]
