"""The examples of docs/examples, run as a reader runs them, with fewer steps."""

import csv

import pytest
from PIL import Image

from tests.workflow import forked
from workflow.artifacts.shipping import STUDY, read_shipped

SHORT = ["--steps", "450", *(f"--set={each}" for each in ("test_interval=200", "test_episodes=2", "hidden_dim=8"))]


@pytest.fixture
def run(root, tmp_path):
    """Run an example, by default in the clone; returns what it printed."""

    def call(name, *arguments, status=0, folder=root):
        script = root / "docs" / "examples" / f"{name}.py"
        found, printed = forked.run(folder, forked.PYTHON, str(script), *arguments)
        assert found == status, printed
        return printed

    return call


def test_a_team_is_trained_and_filmed(run, tmp_path):
    output = run("train_and_watch", *SHORT, "--episodes", "2", "--out", str(tmp_path))
    assert "over 2 greedy episodes" in output
    assert f"watch {tmp_path}/film/battle.gif" in output
    with Image.open(tmp_path / "film" / "battle.gif") as film:
        assert film.n_frames > 5
    assert "'4m' is not a known map" in run("train_and_watch", "--map", "4m", "--out", str(tmp_path / "no"), status=2)


def test_a_new_algorithm_is_trained_and_compared_with_the_shipped_runs(run, root, tmp_path):
    """Only the new algorithm is trained; the last lines are those of `roma compare`, called from any folder."""
    output = run("new_algorithm", *SHORT, "--seeds", "1", "--out", "compared", folder=tmp_path)
    trained, compared = (line for line in output.splitlines() if line.startswith("$ roma "))
    assert "train --map 10m_vs_11m --algorithm hysteretic" in trained
    assert compared.startswith("$ roma compare hysteretic --map 10m_vs_11m --runs ")
    shipped = {
        arm
        for map_name, arm, _ in (name.split("/") for name in read_shipped(root, STUDY))
        if map_name == "10m_vs_11m" and arm.endswith("_smac_v1")
    }
    assert shipped
    table = output.partition("IQM")[2].splitlines()[1 : 2 + len(shipped)]
    assert {line.split()[0] for line in table} == {"hysteretic", *shipped}
    assert output.endswith(f"written to {tmp_path / 'compared'}\n")
    assert (tmp_path / "compared" / "curves.png").exists()
    with (tmp_path / "compared" / "curves.csv").open() as file:
        assert {row["arm"] for row in csv.DictReader(file)} == {"hysteretic", *shipped}


def test_the_new_algorithm_is_short(root):
    files = (root / "docs" / "examples" / "algorithms" / "hysteretic").glob("*.py")
    assert sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files) <= 60


def test_what_is_missing_is_said(run):
    """Without TorchRL, which the project does not install, the rest is shown all the same."""
    output = run("other_libraries", "--map", "3m", "--episodes", "2")
    assert "PyMARL: 3 agents" in output
    assert output.count("PyMARL: episode") == 2
    assert output.count("TorchRL: episode") == 2 or "pip install --no-deps -r tests/peers/requirements.txt" in output
