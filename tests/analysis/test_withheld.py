"""Scales that withhold verdicts and roles: only learning curves are shown, with the reason."""

import shutil

import pandas as pd
import pytest

from analysis import FIGURES, claims, figure_list, style
from analysis.figures import curves, role_health
from analysis.report.contents import read
from analysis.runs import found_runs
from analysis.summarise import summarise, write
from roma.cli import main
from workflow.grid import figure_files

WHY = "until the analysis plan is final"


@pytest.fixture(scope="module")
def summary(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("withheld")
    write(summarise(found_runs(results), withheld=WHY), folder / "summary")
    return folder / "summary"


@pytest.fixture
def made(summary, tmp_path, root, monkeypatch):
    """Make a figure or table and return its folder."""
    monkeypatch.chdir(root)

    def plot(name, source=summary):
        assert main(["plot", name, "--summary", str(source), "--out", str(tmp_path / "figures")]) == 0
        files = {file.name for file in (tmp_path / "figures").glob(f"{name}*")}
        assert files == set(figure_files(name, figure_list.chosen([name])[name]))
        return tmp_path / "figures"

    return plot


def test_no_verdict_is_given(made):
    frame = pd.read_csv(made("claims") / "claims.csv")
    assert frame["claim"].tolist() == [claim.id for claim in claims.load() for _ in claim.variants]
    assert set(frame["verdict"]) == {"withheld"}
    assert set(frame["why"]) == {WHY}
    assert frame[["evidence", "estimate", "low", "high", "all parts"]].isna().all(axis=None)


@pytest.mark.parametrize("name", ["fig01", "fig08", "roles"])
def test_no_roles_are_drawn(made, name):
    folder = made(name)
    assert (folder / f"{name}.csv").read_text() == f"result\nwithheld {WHY}\n"
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_no_dissimilarity_is_printed(made):
    assert f"withheld {WHY}" in (made("table2") / "table2.md").read_text()


@pytest.mark.parametrize("name", ["fig05", "role_health", "finals"])
def test_what_shows_faults_is_made_as_ever(made, results, name, monkeypatch):
    def save(figure, stem):
        """Write empty pictures: drawing them takes most of the time, and numbers are compared."""
        for kind in ("png", "pdf"):
            stem.with_name(f"{stem.name}.{kind}").touch()

    monkeypatch.setattr(style, "save", save)
    for module in (curves, role_health):
        monkeypatch.setattr(module, "draw", lambda frame: None)
    withheld = pd.read_csv(made(name) / f"{name}.csv")
    shown = pd.read_csv(made(name, results / "summary") / f"{name}.csv")
    of_the_summary = ["inputs", "scale"]
    pd.testing.assert_frame_equal(*(frame.drop(columns=of_the_summary, errors="ignore") for frame in (withheld, shown)))


def test_the_report_shows_no_roles_and_says_why(summary, tmp_path):
    (tmp_path / "figures").mkdir()
    contents = read(summary, tmp_path / "figures", FIGURES)
    assert not {"roles", "episodes"} & contents.tables.keys()
    assert f"roles and verdicts: withheld {WHY}" in contents.missing


def test_no_battle_is_animated(summary, tmp_path, capsys):
    assert main(["video", "MMM2", "--summary", str(summary), "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: roles of {summary} are withheld {WHY}\n"


def test_a_summary_says_nothing_of_it_by_default(results, tmp_path, root, monkeypatch):
    monkeypatch.chdir(root)
    shutil.copytree(results / "summary", tmp_path / "summary")
    assert main(["plot", "claims", "--summary", str(tmp_path / "summary"), "--out", str(tmp_path)]) == 0
    assert "withheld" not in (tmp_path / "claims.md").read_text()
