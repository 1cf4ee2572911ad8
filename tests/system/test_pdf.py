"""PDF figures in publishers' tools: poppler reads the PDFs that the DAG's commands write."""

import subprocess

import pytest

from roma.cli import main
from tests.synthetic import write_runs

SCALE = {
    "scale": "lab",
    "engine": "embedded",
    "protocol": "smac_v1",
    "seeds": [0, 1, 2],
    "total_steps": 200_000,
    "milestones": [0],
    "evaluation_episodes": 16,
    "maps": ["2s3z", "5m_vs_6m", "8m_vs_9m"],
    "ablation_maps": ["2s3z"],
    "cells": [{"maps": "maps", "arms": ["roma", "qmix"]}],
    "figures": ["fig09"],
    "curves": ["test_battle_won_mean"],
}


@pytest.fixture(scope="module")
def figures(tmp_path_factory, root):
    """Draw figure 9 from synthetic runs."""
    folder = tmp_path_factory.mktemp("system")
    write_runs(SCALE, folder)
    results = folder / "data" / "embedded" / "lab"
    cells = [(map_name, arm) for map_name in SCALE["maps"] for arm in ("roma", "qmix")]
    names = [f"{map_name}/{arm}/seed{seed}" for map_name, arm in cells for seed in SCALE["seeds"]]
    figures = ["--figures", str(root / "workflow" / "config" / "figures.yaml")]
    assert main(["summarise", str(results), "--runs", *names]) == 0
    assert main(["plot", "fig09", "--summary", str(results / "summary"), "--out", str(folder), *figures]) == 0
    return folder


@pytest.mark.parametrize("name", ["fig09", "fig09_2s3z"])
def test_fonts_are_embedded_and_not_type_3(figures, name):
    command = ["pdffonts", str(figures / f"{name}.pdf")]
    listing = subprocess.run(command, check=True, text=True, capture_output=True).stdout
    rows = listing.splitlines()[2:]
    assert rows
    for row in rows:
        assert "Type 3" not in row
        embedded, subset, _unicode = row.split()[-5:-2]
        assert (embedded, subset) == ("yes", "yes")


def test_text_can_be_searched(figures):
    command = ["pdftotext", "-layout", str(figures / "fig09.pdf"), "-"]
    text = subprocess.run(command, check=True, text=True, capture_output=True).stdout
    for part in ("8m_vs_9m", "test win rate", "environment steps", "scale lab", "protocol smac_v1", "ROMA"):
        assert part in text


def test_the_page_renders_with_curves_on_it(figures):
    import matplotlib.image

    picture = figures / "page"
    subprocess.run(
        ["pdftoppm", "-r", "100", "-png", "-singlefile", str(figures / "fig09.pdf"), str(picture)], check=True
    )
    pixels = matplotlib.image.imread(picture.with_suffix(".png"))[..., :3]
    assert pixels.shape[1] == pytest.approx(690, abs=2)  # 6.9 inches
    coloured = (pixels.max(axis=-1) - pixels.min(axis=-1)) > 0.3
    assert 0.002 < coloured.mean() < 0.5
