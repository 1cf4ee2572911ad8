"""The table of other readings: differences from the reference, what was changed, what is missing."""

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import ttest_ind

from analysis import FIGURES
from analysis.tables import sensitivity
from roma.cli import main
from tests.analysis.conftest import SCALE
from tests.synthetic import write_runs

ARMS = {
    "roma_signed_d": {"algorithm": "roma", "overrides": {"absolute_dissimilarity": False}},
    "roma_target_400": {"algorithm": "roma", "overrides": {"target_update_episodes": 400}},
}
SPECIFICATION = {"maps": ["MMM2"], "reference": "roma", "arms": [*ARMS, "roma_density"]}


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    root = tmp_path_factory.mktemp("readings")
    write_runs(SCALE | {"cells": [{"maps": ["MMM2"], "arms": ["roma", *ARMS]}], "arms": ARMS}, root)
    folder = root / "data" / "embedded" / "lab"
    assert main(["summarise", str(folder)]) == 0
    return folder / "summary"


def test_differences_with_their_intervals(summary):
    frame = sensitivity.table(summary, SPECIFICATION).frame.set_index("arm")
    finals = pd.read_parquet(summary / "finals.parquet").groupby("arm")["final_win_rate"]
    scores = {arm: values.to_numpy() for arm, values in finals}
    for arm in ARMS:
        expected = ttest_ind(scores[arm], scores["roma"], equal_var=False).confidence_interval()
        assert frame.loc[arm, "difference"] == pytest.approx(scores[arm].mean() - scores["roma"].mean())
        assert frame.loc[arm, ["difference, low", "difference, high"]].tolist() == pytest.approx(list(expected))
    assert np.isnan(frame.loc["roma", "difference"])
    assert frame.loc["roma", "win rate"] == pytest.approx(scores["roma"].mean())


def test_what_was_changed_is_said_in_settings(summary):
    frame = sensitivity.table(summary, SPECIFICATION).frame
    expected = [
        "reference",
        "absolute_dissimilarity = false (true)",
        "target_update_episodes = 400 (200)",
        "roma_density",
    ]
    assert frame["setting"].tolist() == expected


def test_an_arm_without_runs_is_named(summary):
    table = sensitivity.table(summary, SPECIFICATION)
    assert table.frame.iloc[-1][["arm", "seeds"]].tolist() == ["roma_density", 0]
    assert table.frame.iloc[-1][["win rate", "difference", "difference, 95 %"]].isna().all()
    assert "Missing runs: MMM2/roma_density" in table.notes
    without_reference = sensitivity.table(summary, SPECIFICATION | {"reference": "roma_td"})
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
    assert cell["arms"] == [figure["reference"], *figure["arms"]]
    assert figure["maps"] == scale["maps"]
