"""Heatmap of the search for the weights of the role losses: values, marks and missing cells."""

import pandas as pd
import pytest
import yaml
from matplotlib.patches import Rectangle

from analysis import FIGURES
from analysis.figures import heatmap
from roma.cli import main
from tests.analysis.conftest import SCALE
from tests.synthetic import write_runs
from workflow.grid import expand

WEIGHTS = {
    "lambda_identifiability": {"I3": 1e-3, "I4": 1e-4},
    "lambda_specialisation": {"D2": 1e-2, "D3": 1e-3},
}
AXES = {"lambda_identifiability": [1e-3, 1e-4], "lambda_specialisation": [1e-2, 1e-3, 1e-4]}
SPECIFICATION = {"maps": ["MMM2", "10z5b_vs_2s3z"], "algorithm": "roma", "axes": AXES}
SEARCH = SCALE | {"cells": [{"maps": ["MMM2"], "arms": ["roma"]}], "arms": {"roma": {"sweep": WEIGHTS}}}


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    """Write two by two cells on MMM2; one of them has two seeds instead of three."""
    root = tmp_path_factory.mktemp("search")
    write_runs(SEARCH, root, measured=False)
    folder = root / "data" / "embedded" / "lab"
    for file in (folder / "runs" / "MMM2" / "roma_I3_D3" / "seed2").glob("*.parquet"):
        file.unlink()
    assert main(["summarise", str(folder)]) == 0
    return folder / "summary"


@pytest.fixture(scope="module")
def frame(summary):
    return heatmap.data(summary, SPECIFICATION, [])


def test_cells_hold_the_final_win_rates_of_their_settings(summary, frame):
    finals = pd.read_parquet(summary / "finals.parquet")
    assert len(frame) == 2 * 2 * 3
    assert frame["n"].tolist() == [3, 2, 0, 3, 3, 0] + [0] * 6
    expected = finals[finals["arm"] == "roma_I4_D3"]["final_win_rate"].mean()
    assert frame.loc[4, "mean"] == pytest.approx(expected)
    assert frame["low"].notna().tolist() == [n >= 3 for n in frame["n"]]


def test_the_paper_s_choice_and_the_best_are_marked(frame):
    chosen = frame[frame["chosen"]]
    assert chosen[list(AXES)].to_numpy().tolist() == [[1e-4, 1e-2]] * 2
    assert frame[frame["best"]].index.tolist() == [frame["mean"].idxmax()]
    axis, empty = heatmap.draw(frame).axes
    places = [tuple(round(each) for each in patch.get_xy()) for patch in axis.patches if isinstance(patch, Rectangle)]
    row, column = divmod(frame["mean"].idxmax(), 3)
    assert places == [(0, 1), (column, row)]
    assert [len(each.patches) for each in (axis, empty)] == [2, 1]


def test_a_cell_shows_its_interval_where_seeds_allow_one(frame):
    texts = [text.get_text() for text in heatmap.draw(frame).axes[0].texts]
    of_first = frame.iloc[0]
    assert f"{of_first['mean']:.2f}\n{of_first['low']:.2f}–{of_first['high']:.2f}" in texts
    assert f"{frame.loc[1, 'mean']:.2f}" in texts


def test_the_face_names_what_is_missing(frame):
    text = "\n".join(heatmap.caption(frame))
    assert "embedded engine version 1; scale lab; protocol smac_v1" in text
    assert "mean of the tests in the last tenth of a run; mean and 95 % Student t interval over 3 seeds" in text
    missing = text.partition("missing runs")[2]
    assert "MMM2 1e-3/1e-3 (has 2), MMM2 1e-3/1e-4," in missing
    assert "1e-4/1e-2" not in missing.partition("10z5b")[0]
    nothing = heatmap.caption(heatmap.panels(frame)["10z5b_vs_2s3z"])
    assert len(nothing) == 1
    assert nothing[0].startswith("missing runs")


def test_files_of_the_search_are_the_same_each_time(summary, tmp_path):
    figures = tmp_path / "figures.yaml"
    figures.write_text(yaml.safe_dump({"lambda": SPECIFICATION | {"plot": "heatmap"}}))
    command = ["plot", "lambda", "--summary", str(summary), "--figures", str(figures)]
    for folder in ("first", "second"):
        assert main([*command, "--out", str(tmp_path / folder)]) == 0
    names = {path.name for path in (tmp_path / "first").iterdir()}
    assert {"lambda.png", "lambda.pdf", "lambda.csv", "lambda_MMM2.png", "lambda_10z5b_vs_2s3z.pdf"} <= names
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert len({(tmp_path / "first" / name).read_bytes() for name in names}) == len(names)  # each panel is a picture


def test_the_figure_shows_what_the_scale_trains(root):
    scale = yaml.safe_load((root / "workflow" / "config" / "lambda.yaml").read_text())
    figure = yaml.safe_load(FIGURES.read_text())["lambda"]
    learners = [run.config.hyperparameters for run in expand(scale, "lambda").runs.values()]
    for name, values in figure["axes"].items():
        assert {getattr(each, name) for each in learners} == set(values)
    assert figure["maps"] == scale["maps"]
