"""Locks, also on file systems without locks."""

import errno
import subprocess
import sys

import pytest

from roma.support.system.locks import TakenError, exclusive

HOLDER = """
import sys, time
from pathlib import Path
from roma.support.system.locks import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def share(tmp_path, monkeypatch):
    """Return a folder other than the machine's own for temporary files."""
    for name in ("machine", "share"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "machine"))
    return tmp_path / "share"


def test_a_lock_has_one_holder(tmp_path):
    with exclusive(tmp_path / "lock") as everywhere:
        assert everywhere
        with pytest.raises(TakenError), exclusive(tmp_path / "lock"):
            pass
    with exclusive(tmp_path / "lock"):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_where_the_file_system_has_no_locks_those_of_the_machine_serve(share, refuse_locks, number):
    refuse_locks(share, number)
    lock = share / "lock"
    with exclusive(lock) as everywhere:
        assert not everywhere
        with pytest.raises(TakenError), exclusive(lock):
            pass
    with exclusive(lock):
        pass


def test_another_error_is_not_taken_for_a_holder(share, refuse_locks):
    refuse_locks(share, errno.EIO)
    with pytest.raises(OSError, match="Input/output error"), exclusive(share / "lock"):
        pass


def test_it_waits_until_the_holder_has_died(tmp_path):
    command = [sys.executable, "-c", HOLDER, tmp_path / "lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with exclusive(tmp_path / "lock", waiting=holder.kill):
            assert holder.wait() < 0
