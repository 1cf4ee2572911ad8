"""The example of other people's libraries, with TorchRL there."""

import subprocess
import sys
from pathlib import Path


def test_random_rollouts_of_a_team(root: Path) -> None:
    command = [sys.executable, "docs/examples/other_libraries.py", "--map", "2s3z", "--episodes", "2"]
    done = subprocess.run(command, cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("TorchRL: episode") == 2
