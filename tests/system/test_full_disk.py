"""A disk that is full while a run is written: nothing is lost, and the run goes on when there is room."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.runs.training.short_runs import QMIX, arguments, results
from tests.workflow import forked
from tests.workflow.conftest import SHORT, copy_repository, write_scale

STEPS = 800
AS_ROOT = [] if os.geteuid() == 0 else ["sudo"]


@pytest.fixture
def disk(tmp_path):
    """Return a function that sets the size, in bytes, of a file system."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def resize(size: int):
        how = "remount," if folder.is_mount() else ""
        options = f"{how}size={size},mode=777"
        subprocess.run([*AS_ROOT, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
        return folder

    yield resize
    subprocess.run([*AS_ROOT, "umount", str(folder)], check=True)


def train(directory, **environment):
    command = [sys.executable, "-m", "roma", *arguments(directory, STEPS, QMIX)]
    return subprocess.run(command, text=True, capture_output=True, env=os.environ | environment)


def test_a_run_goes_on_once_there_is_room(tmp_path, disk):
    assert train(tmp_path / "undisturbed").returncode == 0
    needed = sum(file.stat().st_size for file in (tmp_path / "undisturbed").rglob("*") if file.is_file())
    directory = disk(needed * 2 // 3) / "run"
    stopped = train(directory)
    assert stopped.returncode == 2
    (said,) = (line for line in stopped.stderr.splitlines() if line.startswith("error: "))
    assert "could not be written" in said
    assert "No space left on device" in said
    assert "Traceback" not in stopped.stderr
    assert not (directory / "metrics.parquet").exists()
    assert not list(directory.rglob(".beside-*"))
    disk(needed * 3)
    assert train(directory).returncode == 0
    assert json.loads((directory / "provenance.json").read_text())["resumes"] == 1
    assert results(directory) == results(tmp_path / "undisturbed")


def test_a_full_disk_below_the_machine_code_or_the_output_stops_no_run(tmp_path, disk):
    """Code is compiled in memory, and log lines that cannot be written are dropped."""
    assert train(tmp_path / "undisturbed").returncode == 0
    full = disk(64 * 1024)
    (full / "cache").mkdir()
    with suppress(OSError), (full / "filler").open("wb") as filler:
        filler.write(bytes(1024 * 1024))
    directory = tmp_path / "run"
    done = train(directory, NUMBA_CACHE_DIR=str(full / "cache"))
    assert done.returncode == 0, done.stderr
    assert results(directory) == results(tmp_path / "undisturbed")
    command = [sys.executable, "-m", "roma", *arguments(tmp_path / "second", STEPS, QMIX)]
    with (full / "filler").open("ab") as log:
        assert subprocess.run(command, stdout=log, stderr=log).returncode == 0
    assert results(tmp_path / "second") == results(directory)


def test_a_workflow_that_begins_on_a_full_disk_says_so_in_one_line(root, disk):
    """Some room may be left, such as that of the files of failed jobs."""
    folder = disk(256 * 1024 * 1024)
    copy_repository(root, folder / "project")
    write_scale(folder / "project", SHORT)
    command = ("--cores", "1", "--configfile", "workflow/config/tiny.yaml", "--", "runs")
    with (folder / "filler").open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, shutil.disk_usage(folder).free - 64 * 1024)
    status, printed = forked.snakemake(folder / "project", *command)
    assert status == 1
    assert f"error: cannot write to the output folder {folder}/project/.snakemake: No space left on device" in printed
    assert "Traceback" not in printed
    (folder / "filler").unlink()
    assert forked.snakemake(folder / "project", *command)[0] == 0
