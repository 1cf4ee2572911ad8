"""Provenance of a run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import roma
from roma.support.system.provenance import describe, git_revision

SOURCE = Path(roma.__file__).parent


def test_packages_and_processor_are_named():
    facts = describe()
    assert facts["packages"]["torch"].startswith("2.")
    assert facts["cpu"]
    assert facts["cpu_family"]
    assert facts["python"].startswith("3.")


def test_the_revision_is_that_of_the_source():
    head = subprocess.run(["git", "-C", SOURCE, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode:
        pytest.skip("this source is not in a git repository")
    assert git_revision()[0] == head.stdout.strip()


def test_outside_git_there_is_no_revision_even_inside_another_repository(tmp_path):
    shutil.copytree(SOURCE, tmp_path / "roma", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    program = "from roma.support.system.provenance import git_revision; print(git_revision())"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert finished.stdout.strip() == "(None, None)"


def test_a_revision_that_git_keeps_to_itself_is_said_in_one_line(tmp_path):
    """If the repository belongs to another user, git refuses to read it without safe.directory."""
    shutil.copytree(SOURCE, tmp_path / "roma", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    program = "from roma.support.system.provenance import git_revision; print(git_revision())"
    for environment, words in (
        ({"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}, "git config --global --add safe.directory"),
        ({"PATH": str(tmp_path)}, "git is needed"),
    ):
        finished = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path), **environment},
        )
        assert finished.stdout.strip() == "(None, None)"
        (line,) = finished.stderr.splitlines()
        assert line.startswith("WARNING: the run's provenance lacks the commit of its code: ")
        assert words in line
