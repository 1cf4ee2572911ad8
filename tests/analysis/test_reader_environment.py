"""Figures and files do not depend on the reader's environment: all bytes are equal."""

import os
import subprocess
import sys

import matplotlib as mpl
import pytest

from roma.envs.skirmish.recordings import drawing
from tests.envs.recorded import random_battle

PROGRAM = """
import sys
from roma.cli import main
summary, figures, out = sys.argv[1:]
for name in ("fig04", "finals"):
    assert main(["plot", name, "--summary", summary, "--figures", figures, "--out", out]) == 0
assert main(["report", "--summary", summary, "--figures", out, "--out", f"{out}/report.html"]) == 0
"""
FIGURES = """
fig04: {title: Curves, plot: curves, maps: [MMM2], arms: [roma, qmix]}
finals: {title: Final win rates, table: finals, cells: [{maps: [MMM2], arms: [roma, qmix, iql]}]}
"""
SETTINGS = (
    "backend: QtAgg\nfont.size: 20\naxes.facecolor: green\ntext.color: red\nsavefig.bbox: tight\npdf.compression: 0\n"
)
CLEAN = {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "0"}
ENVIRONMENTS = {
    "ASCII and settings of every figure": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "MPLCONFIGDIR": "settings"},
    "a notebook beside settings that cannot be read": {"MPLBACKEND": "module://a_backend.that_only_notebooks_have"},
}


def made(environment, folder, summary, root):
    """Return the bytes of all files that the program makes in the working folder `folder`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MPL", "LC_", "LANG"))}
    (folder / "figures.yaml").write_text(FIGURES, encoding="utf-8")
    command = [sys.executable, "-c", PROGRAM, summary, folder / "figures.yaml", folder / "made"]
    whole = inherited | CLEAN | {"PYTHONPATH": str(root)} | environment
    done = subprocess.run(command, cwd=folder, env=whole, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return {file.name: file.read_bytes() for file in (folder / "made").iterdir()}


@pytest.fixture(scope="module")
def expected(results, root, tmp_path_factory):
    return made({}, tmp_path_factory.mktemp("clean"), results / "summary", root)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_byte_of_figures_tables_and_report_is_the_same(name, expected, results, root, tmp_path):
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "matplotlibrc").write_text(SETTINGS, encoding="utf-8")
    if "MPLCONFIGDIR" not in ENVIRONMENTS[name]:
        (tmp_path / "matplotlibrc").write_bytes("font.family: Größe\n".encode("latin-1"))
    found = made(ENVIRONMENTS[name], tmp_path, results / "summary", root)
    assert found.keys() == expected.keys()
    assert {file for file in found if found[file] != expected[file]} == set()
    assert not found["report.html"].isascii()


def test_a_battle_is_drawn_with_our_settings_and_leaves_the_reader_theirs(monkeypatch):
    monkeypatch.setattr(drawing, "DPI", 40)  # small pictures are drawn faster
    recording = random_battle("3m", 2, steps=3)
    before = drawing.still(recording), drawing.picture(recording, 1)
    with mpl.rc_context({"font.size": 20, "axes.grid": True, "patch.linewidth": 4}):
        assert (drawing.still(recording) == before[0]).all()
        assert (drawing.picture(recording, 1) == before[1]).all()
        assert mpl.rcParams["font.size"] == 20
