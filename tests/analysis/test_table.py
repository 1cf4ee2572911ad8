"""Tables as files: escaping, rounding, and equal bytes for equal cells."""

import numpy as np
import pandas as pd
import pytest

from analysis import table as tables
from analysis.tables import cost
from roma.cli import main

FRAME = pd.DataFrame(
    {
        "map": ["3s5z_vs_3s6z", "3s5z_vs_3s6z", "MMM2"],
        "arm": ["ROMA without $L_D$", "50 % & $5 | λ ≥ 0", r"a\b~c^d<e>#{f}"],
        "win rate": [0.123456, np.nan, 1.0],
        "steps": [20_050_000, 5, 0],
        "built": [True, False, True],
    }
)


@pytest.fixture
def stem(tmp_path):
    tables.write(FRAME, tmp_path / "table", "Win rates, 95 %.", groups="map")
    return tmp_path / "table"


def test_csv_holds_the_numbers_as_they_are(stem):
    read = pd.read_csv(stem.with_suffix(".csv"))
    pd.testing.assert_frame_equal(read, FRAME)


def test_markdown_rounds_and_marks_what_is_absent(stem):
    lines = stem.with_suffix(".md").read_text().splitlines()
    assert lines[0] == "**Win rates, 95 %.**"
    assert lines[2] == "| map | arm | win rate | steps | built |"
    assert lines[4] == "| 3s5z_vs_3s6z | ROMA without $L_D$ | 0.123 | 20050000 | yes |"
    assert lines[5] == r"| 3s5z_vs_3s6z | 50 % & $5 \| λ ≥ 0 | – | 5 | no |"


def test_latex_escapes_all_but_mathematics(stem):
    text = stem.with_suffix(".tex").read_text()
    assert r"\caption{Win rates, 95 \%.}\\" in text
    assert r"3s5z\_vs\_3s6z & ROMA without $L_D$ & 0.123 & 20050000 & yes \\" in text
    assert r"50 \% \& \$5 | $\lambda$ $\geq$ 0 & -- & 5 & no \\" in text
    assert r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d\textless{}e\textgreater{}\#\{f\}" in text
    assert r"\begin{longtable}{llrrr}" in text


def test_a_line_stands_where_the_group_changes(stem):
    text = stem.with_suffix(".tex").read_text()
    body = text.split(r"\endhead")[1]
    assert body.count(r"\midrule") == 1
    assert body.index(r"\midrule") < body.index("MMM2")


def test_readers_see_the_columns_that_are_shown(tmp_path):
    tables.write(FRAME, tmp_path / "narrow", "Steps", shown=["steps", "map"])
    assert (tmp_path / "narrow.md").read_text().splitlines()[2] == "| steps | map |"
    assert r"\begin{longtable}{rl}" in (tmp_path / "narrow.tex").read_text()
    assert list(pd.read_csv(tmp_path / "narrow.csv")) == list(FRAME)


def test_readers_may_see_another_layout_of_the_numbers(tmp_path):
    layout = pd.DataFrame({"arm": ["ROMA"], "MMM2": ["0.12 ± 0.01"]})
    tables.write(FRAME, tmp_path / "matrix", "Matrix", shown=layout)
    assert (tmp_path / "matrix.md").read_text().splitlines()[4] == "| ROMA | 0.12 ± 0.01 |"
    assert r"0.12 $\pm$ 0.01" in (tmp_path / "matrix.tex").read_text()
    assert list(pd.read_csv(tmp_path / "matrix.csv")) == list(FRAME)


def test_same_frame_same_bytes(stem, tmp_path):
    tables.write(FRAME.copy(), tmp_path / "again", "Win rates, 95 %.", groups="map")
    for kind in ("csv", "md", "tex"):
        assert (tmp_path / f"again.{kind}").read_bytes() == (tmp_path / f"table.{kind}").read_bytes()


def test_the_command_writes_a_table_with_the_digest_of_its_inputs(results, tmp_path, root, monkeypatch):
    monkeypatch.chdir(root)
    assert main(["plot", "cost", "--summary", str(results / "summary"), "--out", str(tmp_path)]) == 0
    assert {file.name for file in tmp_path.iterdir()} == {"cost.csv", "cost.md", "cost.tex"}
    frame = pd.read_csv(tmp_path / "cost.csv")
    assert frame[["map", "arm", "runs"]].to_numpy().tolist()[0] == ["MMM2", "ROMA", 3]
    assert (frame["hours"] == 200_000 / 100 / 3600).all()
    lines = (tmp_path / "cost.md").read_text().splitlines()
    assert "Inputs " in lines[0]
    assert "All 12 runs together: 6.7 h" in lines[0]
    first = dict(zip(lines[2].split(" | "), lines[4].split(" | "), strict=True))
    assert (first["steps"], first["time"], first["speed"]) == ("200 k", "33 min", "100 steps/s")


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.2, "0.2 s"), (59, "59 s"), (60, "1.0 min"), (2000, "33 min"), (7200, "2.0 h"), (9e5, "10 d")],
)
def test_durations_have_the_largest_unit_that_fits(seconds, written):
    assert cost.duration(seconds) == written


def test_memory_has_the_unit_that_fits():
    assert [cost.memory(size) for size in (911, 1470)] == ["911 MB", "1.5 GB"]
