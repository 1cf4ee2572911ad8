"""Locks, also on file systems that have none."""

import errno
import fcntl
import os
import subprocess
import sys

import pytest

from roma.support.locks import TakenError, exclusive

HOLDER = """
import sys, time
from pathlib import Path
from roma.support.locks import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def without_locks(tmp_path, monkeypatch):
    """A function that lets flock fail below a folder, with the error of a file system that does not know it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "machine"))
    (tmp_path / "machine").mkdir()
    (tmp_path / "share").mkdir()
    original = fcntl.flock

    def refuse(number):
        def flock(file, operation):
            if file.name.startswith(str(tmp_path / "share")):
                raise OSError(number, os.strerror(number))
            original(file, operation)

        monkeypatch.setattr(fcntl, "flock", flock)
        return tmp_path / "share" / "lock"

    return refuse


def test_a_lock_has_one_holder(tmp_path):
    with exclusive(tmp_path / "lock") as everywhere:
        assert everywhere
        with pytest.raises(TakenError), exclusive(tmp_path / "lock"):
            pass
    with exclusive(tmp_path / "lock"):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_where_the_file_system_has_no_locks_those_of_the_machine_serve(without_locks, number):
    lock = without_locks(number)
    with exclusive(lock) as everywhere:
        assert not everywhere
        with pytest.raises(TakenError), exclusive(lock):
            pass
    with exclusive(lock):
        pass


def test_another_error_is_not_taken_for_a_holder(without_locks):
    lock = without_locks(errno.EIO)
    with pytest.raises(OSError, match="Input/output error"), exclusive(lock):
        pass


def test_it_waits_until_the_holder_has_died(tmp_path):
    command = [sys.executable, "-c", HOLDER, tmp_path / "lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with exclusive(tmp_path / "lock", waiting=holder.kill):
            assert holder.wait() < 0
