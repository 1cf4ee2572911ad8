"""Health of the role losses: from the metrics of runs to the figure of the report."""

import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis import FIGURES, figure_list
from analysis.figures import role_health
from analysis.runs import expected_runs
from analysis.statistics import student_interval
from analysis.summarise import role_health as table_of
from roma.cli import main
from roma.learners.roma.columns import ROLE_COLUMNS
from roma.runs.directory import RunDirectory
from roma.support.errors import UserError
from tests.analysis.conftest import SCALE
from tests.analysis.figures.test_role_figures import outside, texts
from tests.synthetic import write_runs

SPECIFICATIONS = yaml.safe_load(FIGURES.read_text())
CELLS = [
    {"maps": ["MMM2", "10m_vs_11m"], "arms": ["roma", "roma_td_ld", "qmix"]},
    {"maps": ["MMM2"], "arms": ["roma_release"]},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("health")
    write_runs(SCALE | {"cells": CELLS}, root, measured=False)
    folder = root / "data" / "embedded" / "lab"
    assert main(["summarise", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def frame(folder):
    return role_health.data(folder / "summary", SPECIFICATIONS["role_health"], [])


def test_the_table_holds_every_test_of_every_run_with_roles(folder):
    table = pd.read_parquet(folder / "summary" / "role_health.parquet")
    assert list(table.columns) == ["map", "arm", "seed", "step", "t_env", *ROLE_COLUMNS]
    assert set(table["arm"]) == {"roma", "roma_td_ld", "roma_release"}
    (run,) = expected_runs(folder, ["MMM2/roma/seed1"])
    rows = table.query("map == 'MMM2' and arm == 'roma' and seed == 1")
    metrics = run.read_metrics()
    np.testing.assert_array_equal(rows[list(ROLE_COLUMNS)], metrics[list(ROLE_COLUMNS)])
    assert rows["step"].tolist() == (metrics["t_env"] // 10_000 * 10_000).tolist()


def test_runs_without_the_columns_have_none(folder, tmp_path):
    (run,) = expected_runs(folder, ["MMM2/roma/seed0"])
    older = RunDirectory(tmp_path / "MMM2" / "roma" / "seed0")
    older.path.mkdir(parents=True)
    older.config_file.write_text(run.config_file.read_text())
    run.read_metrics().drop(columns=list(ROLE_COLUMNS)).to_parquet(older.metrics_file)
    assert table_of([older])[list(ROLE_COLUMNS)].isna().all(axis=None)
    (without,) = expected_runs(folder, ["MMM2/qmix/seed0"])
    assert table_of([without]).empty


def test_the_frame_has_means_over_seeds_and_quotients(folder, frame):
    table = pd.read_parquet(folder / "summary" / "role_health.parquet").query("map == 'MMM2' and arm == 'roma'")
    ratio = table.assign(value=table["posterior_variance"] / table["role_variance"])
    points = ratio.pivot_table(index="seed", columns="step", values="value")
    expected = student_interval(points.to_numpy())
    rows = frame.query("map == 'MMM2' and arm == 'roma' and metric == 'variance_ratio'")
    np.testing.assert_allclose(rows["centre"], expected.mean)
    np.testing.assert_allclose(rows["low"], expected.low)
    assert rows["n"].tolist() == [3] * len(points.columns)


def test_quotients_by_zero_are_missing(folder, tmp_path):
    """Seed 1 has no gradient of L_TD on its roles: a decoder without an active unit (docs/results_checked.md)."""
    summary = tmp_path / "summary"
    shutil.copytree(folder / "summary", summary)
    table = pd.read_parquet(summary / "role_health.parquet")
    table.loc[(table["seed"] == 1) & (table["step"] > table["step"].median()), "role_gradient_td"] = 0.0
    table.to_parquet(summary / "role_health.parquet")
    frame = role_health.data(summary, SPECIFICATIONS["role_health"], [])
    rows = frame.query("map == 'MMM2' and arm == 'roma' and metric == 'gradient_share_identifiability'")
    assert set(rows["n"]) == {2, 3}
    assert rows.loc[rows["n"] == 2, "seed1"].isna().all()
    assert np.isfinite(rows[["centre", "seed0", "seed2"]]).all(axis=None)
    role_health.draw(frame)


def test_what_does_not_apply_is_said_and_what_was_not_run_is_named(frame):
    figure = role_health.draw(frame)
    words = [text.get_text() for axis in figure.axes for text in axis.texts]
    assert words.count("does not apply to this map") == 1  # d' between types, on 10m_vs_11m
    missing = [text for text in words if text.startswith("not run yet: ROMA,")]
    assert len(missing) == len(SPECIFICATIONS["role_health"]["measures"])  # on 10z5b_vs_2s3z
    caption = " ".join(" ".join(text.get_text() for text in figure.texts).split())
    assert "not run yet: $L_{TD}+L_I$, $L_{TD}$" in caption
    assert "8 episodes of the batch before each test" in caption
    assert outside(figure) == []


def test_quotients_and_divergences_have_one_logarithmic_axis_a_row(frame):
    axes = role_health.draw(frame).axes
    rows = [axes[place : place + 3] for place in range(0, len(axes), 3)]
    scales = {row[0].get_ylabel().replace("\n", " "): {axis.get_yscale() for axis in row[:1]} for row in rows}
    assert scales["$L_I$ in nats"] == scales["variance of $q_\\xi$ over that of $p$"] == {"log"}
    assert scales["pairs with $I' \\geq 0.9$"] == {"linear"}
    for row in rows:
        assert row[0].get_ylim() == row[2].get_ylim()


def test_measures_that_do_not_exist_are_named(folder):
    specification = SPECIFICATIONS["role_health"] | {"measures": ["variance_ration"]}
    with pytest.raises(UserError, match="did you mean 'variance_ratio'"):
        role_health.data(folder / "summary", specification, [])


def test_nothing_trained_yet_can_still_be_drawn(results):
    specification = SPECIFICATIONS["role_health"] | {"arms": ["roma_td"]}
    figure = role_health.draw(role_health.data(results / "summary", specification, []))
    assert "not run yet" in texts(figure)


def test_same_numbers_same_bytes(folder, tmp_path):
    figures = tmp_path / "figures.yaml"
    figures.write_text("health: {plot: role_health, maps: [MMM2], arms: [roma], measures: [variance_ratio]}")
    for copy in ("once", "twice"):
        command = ["plot", "health", "--summary", str(folder / "summary"), "--figures", str(figures)]
        assert main([*command, "--out", str(tmp_path / copy)]) == 0
    files = {file.name: file.read_bytes() for file in (tmp_path / "once").iterdir()}
    assert files == {file.name: file.read_bytes() for file in (tmp_path / "twice").iterdir()}
    assert {"health.png", "health.pdf", "health.csv", "health_MMM2.png", "health_MMM2.pdf"} == files.keys()


def test_every_scale_with_arms_that_have_roles_shows_their_health(root):
    for name in ("smoke", "demo", "lab", "paper"):
        scale = yaml.safe_load((root / "workflow" / "config" / f"{name}.yaml").read_text())
        assert "role_health" in figure_list.chosen(scale["figures"])
    extra = yaml.safe_load((root / "workflow" / "config" / "extra.yaml").read_text())
    assert "role_health_extra" in figure_list.chosen(extra["figures"])
    assert {arm for cell in extra["cells"] for arm in cell["arms"] if arm.startswith("roma")} == set(
        SPECIFICATIONS["role_health_extra"]["arms"]
    )
