"""Processes whose output has no reader any more."""

import os
import pty
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from roma.support.system.streams import outlive_readers
outlive_readers()
for _ in range(3):
    print("out", flush=True)
    print("error", file=sys.stderr, flush=True)
with open(sys.argv[1], "w") as file:
    file.write(str(file.fileno()))
"""


def run(tmp_path, **streams):
    """Return the exit status of the program, and the number of the first file that it opened."""
    reached = tmp_path / "reached"
    status = subprocess.run([sys.executable, "-c", PROGRAM, reached], **streams).returncode
    return status, int(reached.read_text()) if reached.exists() else None


def pipe_without_reader():
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def terminal_that_was_closed():
    terminal, device = pty.openpty()
    os.close(terminal)
    return device


@pytest.mark.parametrize("lost", [pipe_without_reader, terminal_that_was_closed])
def test_a_reader_that_goes_away_does_not_end_the_process(tmp_path, lost):
    descriptor = lost()
    with pytest.raises(OSError, match=r"Broken pipe|Input/output error"):
        os.write(descriptor, b"text")
    status, first = run(tmp_path, stdout=descriptor, stderr=descriptor)
    os.close(descriptor)
    assert (status, first) == (0, 3)


def test_a_full_disk_is_an_error_below_the_output_and_none_below_the_messages(tmp_path):
    with open("/dev/full", "w", encoding="utf-8") as full:
        assert run(tmp_path, stdout=subprocess.DEVNULL, stderr=full) == (0, 3)
        (tmp_path / "reached").unlink()
        status, first = run(tmp_path, stdout=full, stderr=subprocess.DEVNULL)
    assert status != 0
    assert first is None


def test_the_numbers_of_closed_streams_are_given_to_no_file(tmp_path):
    command = 'exec "$0" -c "$1" "$2" <&- >&- 2>&-'
    subprocess.run(["sh", "-c", command, sys.executable, PROGRAM, tmp_path / "reached"], check=True)
    assert (tmp_path / "reached").read_text() == "3"
