"""Speeds saved by `make baseline` say nothing of whose machine it was."""

import json
import os
import platform
import subprocess
import sys


def test_saved_speeds_are_small_and_name_no_machine(root, tmp_path):
    saved, chosen = tmp_path / "baseline.json", "tests/benchmarks/test_acting.py::test_act[qmix-2s3z-1]"
    command = [sys.executable, "-m", "pytest", chosen, f"--benchmark-json={saved}"]
    # Where tests run side by side, the inner one would take itself for one of them and measure nothing.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    done = subprocess.run(command, cwd=root, env=alone, text=True, capture_output=True, timeout=240)
    assert done.returncode == 0, done.stdout
    text = saved.read_text()
    content = json.loads(text)
    assert [each["fullname"] for each in content["benchmarks"]] == [chosen]
    assert set(content["machine_info"]) == {"cpu", "machine", "python_version", "system"}
    assert len(text) < 3000
    for private in (platform.node(), str(root)):
        assert private not in text
