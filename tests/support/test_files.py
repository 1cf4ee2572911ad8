"""Files are complete or absent."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from roma.support.errors import UserError
from roma.support.files import (
    DiskFullError,
    atomic_path,
    make_writable_directory,
    parquet_content,
    remove_unfinished,
    write_json,
    write_together,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")

    def fail_half_way():
        with atomic_path(target) as beside:
            beside.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_file_for_which_there_is_no_room_is_named(tmp_path, monkeypatch, number):
    def fsync(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(DiskFullError, match=f"^{tmp_path / 'file'} could not be written: {os.strerror(number)}$"):
        write_json(tmp_path / "file", {})
    assert not list(tmp_path.iterdir())


def test_a_disk_without_room_is_named(tmp_path, monkeypatch):
    def allocate(descriptor, offset, size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    make_writable_directory(tmp_path, room=2**20)
    monkeypatch.setattr(os, "posix_fallocate", allocate)
    with pytest.raises(UserError, match=f"^cannot write to the output folder {tmp_path}: No space left on device$"):
        make_writable_directory(tmp_path, room=2**20)
    make_writable_directory(tmp_path)
    assert not list(tmp_path.iterdir())


def test_written_files_are_readable_by_others(tmp_path):
    write_json(tmp_path / "file.json", {"a": 1})
    assert json.loads((tmp_path / "file.json").read_text()) == {"a": 1}
    plain = tmp_path / "plain"
    plain.touch()
    assert (tmp_path / "file.json").stat().st_mode == plain.stat().st_mode


def test_what_a_killed_writer_left_is_removed(tmp_path):
    with atomic_path(tmp_path / "file") as beside:
        leftover = beside.with_name(beside.name + "x")
        leftover.touch()
    remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_several_files_take_their_places_together_or_not_at_all(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    write_together({first: b"1", second: b"2"})
    full = {first: b"longer", second: b"longest"}
    original = Path.write_bytes

    def write_bytes(path, content):
        if content == b"longest":
            raise OSError(errno.ENOSPC, "no room")
        return original(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_bytes)
        with pytest.raises(DiskFullError, match=f"{second} could not be written: no room"):
            write_together(full)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"first": b"1", "second": b"2"}
    write_together(full)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"first": b"longer", "second": b"longest"}


def test_writing_parquet_imports_no_pandas(tmp_path):
    """pandas would take memory, and half a second at the end of every run."""
    code = """
import sys
from pathlib import Path
from pathlib import Path
from roma.support.files import parquet_content
parquet_content({"t_env": [1, 2], "loss": [0.5, 0.1]}, ["t_env"])
sys.exit("pandas" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_equal_numbers_make_equal_parquet(tmp_path):
    import pyarrow.parquet as pq

    for name in ("one", "two"):
        columns = {"t_env": [1, 2], "loss": [float("nan"), 0.1]}
        (tmp_path / name).write_bytes(parquet_content(columns, integers=["t_env"]))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert [str(column.type) for column in pq.read_table(tmp_path / "one").columns] == ["int64", "double"]


def test_a_folder_below_a_file_is_not_writable(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        make_writable_directory(tmp_path / "file" / "run")
