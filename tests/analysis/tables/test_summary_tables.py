"""Table 1 and the tables made of summaries: values against ones computed by hand, and the notes on missing data."""

import json
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import t as student
from scipy.stats import ttest_ind

from analysis import FIGURES, figure_list
from analysis.tables import algorithms, finals, settings
from analysis.tables.beside import published, release
from roma.cli import main
from roma.learners import algorithm, algorithm_names
from tests.analysis.conftest import SCALE
from tests.synthetic import write_runs

SPECIFICATIONS = yaml.safe_load(FIGURES.read_text())
TABLES = ("table1", "finals", "release", "published", "settings")
CELLS = [
    {"maps": ["MMM2"], "arms": ["roma", "qmix", "iql", "coma", "roma_td"]},
    {"maps": ["6z4b"], "arms": ["qmix", "iql"]},
]
BEYOND = ["roma_release", "vdn"]


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    """Write summaries of the scales lab and extra, with runs as long as the published ones and one changed setting.

    QMIX on 6z4b lacks a seed.
    """
    root = tmp_path_factory.mktemp("tables")
    lab = SCALE | {"total_steps": 2_000_000, "cells": CELLS, "arms": {"iql": {"overrides": {"gamma": 0.9}}}}
    extra = SCALE | {"scale": "extra", "total_steps": 2_000_000, "cells": [{"maps": ["MMM2"], "arms": BEYOND}]}
    for scale in (lab, extra):
        write_runs(scale, root, measured=False)
    (root / "data/embedded/lab/runs/6z4b/qmix/seed2/metrics.parquet").unlink()
    for scale in ("lab", "extra"):
        assert main(["summarise", str(root / "data" / "embedded" / scale)]) == 0
    return root / "data" / "embedded" / "lab" / "summary"


def win_rates(summary, arm, map_name="MMM2", scale="lab"):
    frame = pd.read_parquet(summary.parent.parent / scale / "summary" / "finals.parquet")
    return frame.loc[(frame["arm"] == arm) & (frame["map"] == map_name), "final_win_rate"].to_numpy()


def test_table_1_has_the_papers_ten_rows_in_two_groups_and_ours(tmp_path):
    frame = algorithms.table(tmp_path, SPECIFICATIONS["table1"]).frame
    groups = {str(group): part["arm"].tolist() for group, part in frame.groupby("group", sort=False)}
    assert list(groups) == ["related work", "ablations", algorithms.OURS]
    assert groups["related work"] == ["iql", "coma", "qmix", "qtran", "maven"]
    assert groups["ablations"] == ["roma_td", "roma_td_li", "roma_td_ld", "qmix_nps", "qmix_lar"]
    assert groups[algorithms.OURS][0] == "roma"
    assert sorted(frame["arm"]) == sorted([*algorithm_names(), "qmix_lar_matched"])
    assert frame["description"].notna().all()
    assert set(frame["trials here"]) == {0}
    assert frame.set_index("arm").loc[["roma", "qtran", "coma"], "episodes an update"].tolist() == [8, 8, 8]
    assert "one update per episode" in frame.set_index("arm").loc["qtran", "settings tuned by"]


def test_table_1_counts_parameters_of_the_networks_as_built(tmp_path):
    frame = algorithms.table(tmp_path, SPECIFICATIONS["table1"]).frame.set_index("arm")
    agents, actions, observation, state, hidden, embed = 10, 18, 176, 322, 64, 32
    inputs = observation + actions + agents
    trunk = (inputs + 1) * hidden + 2 * 3 * (hidden * hidden + hidden)
    utility = trunk + (hidden + 1) * actions
    mixer = (state + 1) * (agents * embed + embed + embed + embed) + embed + 1
    roles = (observation + 1) * 12 + 13 * 6 + 4 * 12 + 13 * (hidden + 1) * actions
    posterior = (hidden + observation + 1) * 12 + 13 * 6
    dissimilarity = (2 * hidden + 1) * 12 + 13
    expected = {
        "iql": (utility, utility),
        "vdn": (utility, utility),
        "qmix": (utility, utility + mixer),
        "qmix_nps": (agents * utility, agents * utility + mixer),
        "roma": (trunk + roles, trunk + roles + posterior + dissimilarity + mixer),
        "roma_no_dissimilarity": (trunk + roles, trunk + roles + posterior + mixer),
    }
    for arm, counts in expected.items():
        assert tuple(frame.loc[arm, ["acting", "trained"]]) == counts, arm
    assert frame.loc["qmix", "acting / ROMA's"] == pytest.approx(39_250 / 55_540)
    assert frame.loc["qmix_lar_matched", "acting / ROMA's"] == pytest.approx(0.97, abs=0.01)


def test_final_win_rates_with_their_intervals(summary):
    frame = finals.table(summary, SPECIFICATIONS["finals"]).frame.set_index(["map", "arm"])
    scores = win_rates(summary, "qmix")
    half_width = student.ppf(0.975, 2) * scores.std(ddof=1) / np.sqrt(3)
    row = frame.loc[("MMM2", "qmix")]
    assert (row["seeds"], row["steps"], row["protocol"]) == (3, 2_000_000, "smac_v1")
    assert row["win rate"] == pytest.approx(scores.mean())
    assert row["low"] == pytest.approx(max(scores.mean() - half_width, 0))
    assert row["high"] == pytest.approx(min(scores.mean() + half_width, 1))
    assert (row["lowest"], row["highest"]) == (scores.min(), scores.max())
    assert frame.loc[("MMM2", "roma_release"), "win rate"] == pytest.approx(
        win_rates(summary, "roma_release", scale="extra").mean()
    )


def test_missing_and_few_runs_are_visible(summary):
    table = finals.table(summary, SPECIFICATIONS["finals"])
    frame = table.frame.set_index(["map", "arm"])
    assert len(frame) == 9 * 6 + 3 * 5 + len(BEYOND)
    assert frame.loc[("2s3z", "roma"), "seeds"] == 0
    assert np.isnan(frame.loc[("2s3z", "roma"), "win rate"])
    assert frame.loc[("6z4b", "qmix"), "seeds"] == 2
    assert np.isnan(frame.loc[("6z4b", "qmix"), "low"])
    assert "* fewer than 3 seeds" in table.notes


def test_readers_see_final_win_rates_as_a_matrix_of_algorithms_and_maps(summary):
    table = finals.table(summary, SPECIFICATIONS["finals"])
    matrix = table.shown.set_index("algorithm")
    frame = table.frame.set_index(["map", "arm"])
    row = frame.loc[("MMM2", "qmix")]
    scores = win_rates(summary, "qmix")
    assert matrix.loc["QMIX", "MMM2"] == f"{scores.mean():.2f} [{row['low']:.2f}, {row['high']:.2f}]"
    assert matrix.loc["QMIX", "6z4b"] == f"{frame.loc[('6z4b', 'qmix'), 'win rate']:.2f}*"
    assert pd.isna(matrix.loc["ROMA", "2s3z"])
    assert matrix.loc["QMIX-LAR", "2s3z"] == ""
    assert len(matrix) == frame.index.get_level_values("arm").nunique()


def test_the_release_beside_the_paper(summary):
    frame = release.table(summary, SPECIFICATIONS["release"]).frame.set_index(["map", "arm"])
    first, second = win_rates(summary, "roma_release", scale="extra"), win_rates(summary, "roma")
    row = frame.loc[("MMM2", "roma_release")]
    expected = ttest_ind(first, second, equal_var=False).confidence_interval()
    assert row["difference"] == pytest.approx(first.mean() - second.mean())
    assert row[["difference, low", "difference, high"]].tolist() == pytest.approx(list(expected))
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in first for b in second]
    assert row["improvement"] == pytest.approx(np.mean(pairs))
    assert row["improvement, low"] <= row["improvement"] <= row["improvement, high"]
    assert frame.loc[("MMM2", "roma_release_readme"), "seeds"] == 0
    assert frame.loc[("MMM2", "roma_release_readme"), ["win rate", "difference", "improvement"]].isna().all()
    assert release.ALL not in frame.index.get_level_values("map")


def test_the_release_is_pooled_over_maps_that_have_both_sides(summary):
    specification = SPECIFICATIONS["release"] | {"maps": ["MMM2"]}
    frame = release.table(summary, specification).frame.set_index(["map", "arm"])
    alone, pooled = frame.loc[("MMM2", "roma_release")], frame.loc[(release.ALL, "roma_release")]
    assert pooled["improvement"] == pytest.approx(alone["improvement"])
    assert pooled["win rate"] == pytest.approx(alone["win rate"])
    assert (release.ALL, "roma_release_readme") not in frame.index


def test_too_few_seeds_have_differences_without_intervals(summary):
    specification = {"maps": ["6z4b"], "reference": "qmix", "arms": ["iql"]}
    frame = release.table(summary, specification).frame.set_index(["map", "arm"])
    first, second = win_rates(summary, "iql", "6z4b"), win_rates(summary, "qmix", "6z4b")
    row = frame.loc[("6z4b", "iql")]
    assert (len(first), len(second)) == (3, 2)
    assert row["difference"] == pytest.approx(first.mean() - second.mean())
    expected = ((first[:, None] > second).mean() + (first[:, None] >= second).mean()) / 2
    assert row["improvement"] == pytest.approx(expected)
    assert row[["difference, low", "difference, 95 %", "improvement, low", "improvement, 95 %"]].isna().all()


def test_our_win_rates_beside_published_ones_of_the_same_protocol(summary):
    table = published.table(summary, SPECIFICATIONS["published"])
    frame = table.frame.set_index(["protocol", "map", "arm"])
    row = frame.loc[("smac_v1", "MMM2", "qmix")]
    curves = pd.read_parquet(summary / "curves.parquet").query("map == 'MMM2' and arm == 'qmix'").sort_values("step")
    of_seeds = [part["test_battle_won_mean"].to_numpy()[-5:].mean() for _, part in curves.groupby("seed")]
    assert row["ours"] == pytest.approx(np.median(of_seeds))
    assert (row["our lowest"], row["our highest"]) == (min(of_seeds), max(of_seeds))
    known = row[["published", "lowest", "highest", "printed"]].tolist()
    assert known == pytest.approx([0.552, 0.391, 0.802, 0.69], abs=0.0005)
    assert (row["seeds"], row["seeds, published"], row["grade"]) == (3, 5, "A, B")
    assert row["difference"] == pytest.approx(np.median(of_seeds) - 0.552, abs=0.0005)
    assert f"Protocol and total steps match in 3 of {len(frame)} rows" in table.notes
    assert frame.loc[("smac_v1", "2s3z", "vdn"), "not compared"] == "not run"
    other = frame.loc[("paper", "MMM2", "roma_td")]
    assert other["not compared"] == "protocol smac_v1, not paper"
    assert np.isnan(other["ours"])


def test_where_nothing_published_matches_the_table_says_so(results):
    table = published.table(results / "summary", SPECIFICATIONS["published"])
    frame = table.frame.set_index(["protocol", "map", "arm"])
    assert frame.loc[("smac_v1", "MMM2", "qmix"), "not compared"] == "200000 steps, not 2000000"
    assert frame["ours"].isna().all()
    assert "No published result has the protocol and total steps of these runs" in table.notes


def test_published_values_are_fractions_with_a_grade_and_a_source():
    frame = published.published()
    assert set(frame["grade"]) == {"A", "B"}
    assert frame["value"].between(0, 1).all()
    assert set(frame["arm"]) <= set(algorithm_names())
    assert not frame.duplicated(["protocol", "steps", "map", "arm", "statistic"]).any()
    assert (
        len(frame[["protocol", "map", "arm", "steps"]].drop_duplicates())
        == frame.groupby(["protocol", "map", "arm"]).ngroups
    )
    assert frame["source"].notna().all()


def test_every_setting_of_every_arm_has_its_value_and_source(summary):
    frame = settings.table(summary, SPECIFICATIONS["settings"]).frame
    found = {}
    for row in frame[frame["kind"] != "training"].itertuples():
        for arm in row.arms.split():
            assert (arm, row.setting) not in found
            found[arm, row.setting] = row.value, row.source
    recorded = pd.read_parquet(summary / "settings.parquet")
    assert set(found) == set(zip(recorded["arm"], recorded["setting"], strict=True))
    assert all(source for _, source in found.values())
    assert found["roma", "lambda_identifiability"] == ("0.0001", "paper, section 5: its authors' grid search")
    assert found["roma_td", "lambda_identifiability"] == ("0.0", "paper, table 1")
    assert found["iql", "gamma"] == ("0.9", settings.SCALE)
    assert found["qmix", "gamma"] == ("0.99", "paper, appendix B")
    assert found["qmix", "hypernet_hidden"] == ("64", "PyMARL's configuration for SMAC")
    assert found["coma", "buffer_size"] == ("8", "PyMARL's configuration for SMAC")
    assert json.loads(recorded.query("arm == 'coma' and setting == 'buffer_size'")["value"].iloc[0]) == 8


def test_tuning_updates_and_steps_stand_beside_the_settings(summary):
    frame = settings.table(summary, SPECIFICATIONS["settings"]).frame
    training = frame[frame["kind"] == "training"]
    trials = training[training["setting"] == "trials spent on tuning"]
    assert trials[["value", "of"]].to_numpy().tolist() == [["0", "all arms"]]
    assert training.loc[training["setting"] == "total steps of a run", "value"].tolist() == ["2000000"]
    updates = pd.read_parquet(summary / "cost.parquet").query("arm == 'coma'")["updates"]
    row = training[(training["setting"] == "updates of a run") & (training["arms"] == "coma")].iloc[0]
    assert row["value"] == f"{updates.min()} to {updates.max()}"


@pytest.mark.parametrize("name", algorithm_names())
def test_every_hyper_parameter_has_a_source_where_it_is_defined(name):
    specification = algorithm(name)
    names = {field.name for field in fields(specification.config_class)}
    assert names <= set(specification.sources)
    assert set(specification.sources) <= names | set(specification.protocol_settings)
    assert specification.tuning_trials == 0
    assert specification.description


def test_the_same_summary_gives_the_same_bytes(summary, tmp_path, root, monkeypatch):
    monkeypatch.chdir(root)
    for name in TABLES:
        for folder in ("first", "second"):
            assert main(["plot", name, "--summary", str(summary), "--out", str(tmp_path / folder)]) == 0
        for kind in ("csv", "md", "tex"):
            first, second = ((tmp_path / folder / f"{name}.{kind}").read_bytes() for folder in ("first", "second"))
            assert first == second
        text = (tmp_path / "first" / f"{name}.tex").read_text()
        assert text.count(r"\begin{longtable}") == text.count(r"\bottomrule") == 1
        columns = {line.count(" & ") for line in text.splitlines() if line.endswith(r" \\")}
        assert len(columns) == 1
    assert r"lambda\_identifiability" in (tmp_path / "first" / "settings.tex").read_text()


def test_every_scale_of_the_papers_grid_shows_the_tables(root):
    for name in ("smoke", "demo", "lab", "paper"):
        scale = yaml.safe_load((root / "workflow" / "config" / f"{name}.yaml").read_text())
        assert set(TABLES) <= figure_list.chosen(scale["figures"]).keys()
        cells = {
            (map_name, arm)
            for cell in SPECIFICATIONS["finals"]["cells"]
            for map_name in cell["maps"]
            for arm in cell["arms"]
        }
        for cell in scale["cells"]:
            maps = scale[cell["maps"]] if isinstance(cell["maps"], str) else []
            assert {(map_name, arm) for map_name in maps for arm in cell["arms"]} <= cells
