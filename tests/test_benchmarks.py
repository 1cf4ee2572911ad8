"""Benchmarks: the content that `make baseline` saves, and the comparison of revisions on very short runs."""

import json
import os
import platform
import subprocess
import sys

import pytest

from tests.benchmarks.revisions import main as compare


def test_saved_speeds_are_small_and_name_no_machine(root, tmp_path):
    saved, chosen = tmp_path / "baseline.json", "tests/benchmarks/test_acting.py::test_act[qmix-2s3z-1]"
    command = [sys.executable, "-m", "pytest", chosen, f"--benchmark-json={saved}"]
    # In a parallel test run, the inner pytest would consider itself a worker and measure nothing.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    done = subprocess.run(command, cwd=root, env=alone, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout
    text = saved.read_text()
    content = json.loads(text)
    assert [each["fullname"] for each in content["benchmarks"]] == [chosen]
    assert set(content["machine_info"]) == {"cpu", "machine", "python_version", "system"}
    assert len(text) < 3000
    for private in (platform.node(), str(root)):
        assert private not in text


def test_a_revision_is_compared_with_itself(root, capsys):
    assert compare([str(root), str(root), "--cells", "3m/qmix", "--steps", "1000"]) == 0
    *_, row = capsys.readouterr().out.splitlines()
    cell, first, updates, _, second, its_updates, memory, ratio = row.split()
    assert cell == "3m/qmix"
    assert int(updates) == int(its_updates) > 0
    assert int(memory) > 100
    assert float(ratio) == pytest.approx(float(first) / float(second), abs=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere is no clone of this project"),
        ([".", "--cells", "3m"], "'3m' is not of the form map/algorithm, as in 2s3z/qmix"),
        ([".", "--cells", "3m/qmixx"], "did you mean 'qmix'?"),
        ([".", "--cells", "3m/qmix", "--steps", "0"], "failed: error: --steps"),
    ],
)
def test_what_is_wrong_with_a_comparison_is_said(root, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(root)
    assert compare(arguments) == 2
    assert message in capsys.readouterr().err
