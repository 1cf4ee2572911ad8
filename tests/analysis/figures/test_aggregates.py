"""Aggregates over maps as figure and table, and the export in marl-eval's JSON."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis import FIGURES
from analysis.figures import aggregates
from analysis.statistics import interquartile_mean, performance_profile, probability_of_improvement
from analysis.tables import aggregated
from roma.cli import main
from tests.analysis.summaries import around, write_summary
from workflow.grid import figure_files

SPECIFICATIONS = yaml.safe_load(FIGURES.read_text())
SPECIFICATION = SPECIFICATIONS["aggregates"]


@pytest.fixture(scope="module")
def scores():
    """Final win rates of five seeds on two maps, by arm."""
    rng = np.random.default_rng(0)
    return {arm: rng.uniform(size=(5, 2)) for arm in ("roma", "qmix")}


@pytest.fixture(scope="module")
def summary(scores, tmp_path_factory):
    """Two arms with five seeds on two maps, QMIX alone on a third, and IQL with too few seeds."""
    cells = {f"{name}/{arm}": scores[arm][:, place] for arm in scores for place, name in enumerate(("3m", "8m"))}
    cells |= {"2s3z/qmix": around(0.5), "3m/iql": [0.1, 0.2], "8m/iql": [0.1, 0.2]}
    return write_summary(tmp_path_factory.mktemp("aggregates") / "scale" / "summary", cells)


def test_the_frame_holds_what_the_statistics_return(summary, scores):
    frame = aggregates.data(summary, SPECIFICATION, [])
    values = frame.set_index(["statistic", "arm"])["value"]
    for arm, values_of_arm in scores.items():
        assert values[aggregates.IQM, arm] == pytest.approx(interquartile_mean(values_of_arm))
        expected = performance_profile(values_of_arm, aggregates.THRESHOLDS)
        np.testing.assert_allclose(values[aggregates.PROFILE, arm], expected)
    expected = probability_of_improvement(scores["roma"], scores["qmix"])
    assert values[aggregates.IMPROVEMENT, "qmix"] == pytest.approx(expected)
    assert (frame["low"] <= frame["value"]).all()
    assert (frame["value"] <= frame["high"]).all()
    assert set(frame["maps"]) == {"3m, 8m"}
    assert set(frame["absent"]) == {"IQL, COMA, QTRAN, MAVEN"}


def test_figure_and_table_are_made_alike_twice(summary, tmp_path, root, monkeypatch):
    monkeypatch.chdir(root)
    for name in ("aggregates", "aggregated"):
        for folder in ("once", "twice"):
            assert main(["plot", name, "--summary", str(summary), "--out", str(tmp_path / folder)]) == 0
        for file in figure_files(name, SPECIFICATIONS[name]):
            assert (tmp_path / "once" / file).read_bytes() == (tmp_path / "twice" / file).read_bytes()
    rows = pd.read_csv(tmp_path / "once" / "aggregated.csv").set_index("arm")
    assert rows.index.tolist() == SPECIFICATION["arms"]
    assert np.isnan(rows.loc["roma", "improvement"])
    assert rows.loc["iql"].drop("algorithm").isna().all()
    assert "5 seeds of every arm on 3m, 8m" in (tmp_path / "once" / "aggregated.md").read_text()


def test_without_seeds_enough_the_figure_says_so(tmp_path):
    summary = write_summary(tmp_path / "scale" / "summary", {"3m/roma": [0.5], "3m/qmix": [0.4]})
    frame = aggregates.data(summary, SPECIFICATION, [])
    assert frame.empty
    assert "no map has 3 seeds of every arm yet" in [text.get_text() for text in aggregates.draw(frame).texts]
    assert aggregated.table(summary, SPECIFICATION).frame["interquartile mean"].isna().all()


def test_an_arm_alone_has_no_comparison_and_the_panel_says_so(tmp_path):
    summary = write_summary(tmp_path / "summary", {"3m/roma": around(0.9, 3), "3m/qmix": around(0.5, 1)})
    _, middle, _ = aggregates.draw(aggregates.data(summary, {"arms": ["roma", "qmix"]}, [])).axes
    assert [text.get_text() for text in middle.texts] == ["no other arm has 3 seeds\non the same maps yet"]
    assert not middle.axison


def test_the_export_has_marl_evals_layout(summary, scores, tmp_path):
    assert main(["export", "--summary", str(summary), "--out", str(tmp_path / "runs.json")]) == 0
    exported = json.loads((tmp_path / "runs.json").read_text())
    run = exported["embedded 1"]["8m"]["roma"]["seed_3"]
    assert list(run) == ["step_0", "step_1", "step_2", "step_3", "absolute_metrics"]
    assert run["step_3"]["step_count"] == 2_000_000
    assert run["absolute_metrics"]["win_rate"] == [pytest.approx(scores["roma"][3, 1])]
    assert run["step_1"]["win_rate"] == [0.0]
    assert (
        set(run["step_0"])
        == {"step_count", *run["absolute_metrics"]}
        == {"step_count", "win_rate", "return", "episode_length"}
    )
    assert sorted(exported["embedded 1"]) == ["2s3z", "3m", "8m"]


def test_the_export_needs_a_summary(tmp_path, capsys):
    assert main(["export", "--summary", str(tmp_path / "none"), "--out", str(tmp_path / "runs.json")]) == 2
    assert "`roma summarise` writes it" in capsys.readouterr().err
