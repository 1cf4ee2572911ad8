"""Benchmarks: the content that `make baseline` saves, and the comparison of revisions on very short runs."""

import json
import os
import platform

import pytest

from tests.benchmarks.revisions import main as compare
from tests.workflow import forked


def test_saved_speeds_are_small_and_name_no_machine(root, tmp_path):
    saved, chosen = tmp_path / "baseline.json", "tests/benchmarks/test_acting.py::test_act[qmix-2s3z-1]"
    command = (forked.PYTHON, "-m", "pytest", chosen, f"--benchmark-json={saved}")
    # In a parallel test run, the inner pytest would consider itself a worker and measure nothing.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    status, printed = forked.run(root, *command, environment=alone)
    assert status == 0, printed
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
        ([".", "--cells", "3m/qmix", "--steps", "0"], "--steps = 0 must be at least 1"),
        ([".", "--cells", "3m/qmix", "--rounds", "0"], "--rounds = 0 must be at least 1"),
    ],
)
def test_what_is_wrong_with_a_comparison_is_said(root, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(root)
    assert compare(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_run_that_fails_is_named_with_its_last_line(tmp_path, capsys):
    package = tmp_path / "roma"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import sys; print('before', file=sys.stderr); sys.exit('error: no room')")
    assert compare([str(tmp_path), "--cells", "3m/qmix"]) == 2
    assert capsys.readouterr().err == f"error: the run in {tmp_path} failed: error: no room\n"
