"""Files that are either complete or absent: written beside their place, flushed to disk, then renamed into it."""

import errno
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from roma.support.errors import UserError

BESIDE = ".beside-"  # how the names of unfinished files begin
PARQUET_FORMAT = 1  # of tables of a run; raise it when their columns change their meaning
DIGEST_LENGTH = 16  # of a digest's beginning in the names of files
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFullError(UserError):
    """A file could not be written for want of room; the message names it."""


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a path beside `target` to write to; it takes the target's place when the block ends without an error.

    Raises:
        DiskFullError: There is no room for it.
    """
    with ExitStack() as leftovers, _room_for(target):
        beside = _beside(target, leftovers)
        yield beside
        _to_disk(beside)
        beside.replace(target)


@contextmanager
def _room_for(target: Path) -> Iterator[None]:
    """Turn the errors of a full disk into DiskFullError."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise DiskFullError(f"{target} could not be written: {error.strerror or error}") from None


def _beside(target: Path, leftovers: ExitStack) -> Path:
    """Return a new, empty file in the folder of `target`; `leftovers` removes it if it is still there at the end."""
    handle, name = tempfile.mkstemp(prefix=BESIDE, dir=target.parent)
    os.close(handle)
    beside = Path(name)
    leftovers.callback(beside.unlink, missing_ok=True)
    return beside


def _to_disk(beside: Path) -> None:
    """Give a new file the usual permissions and flush it to disk."""
    beside.chmod(0o666 & ~_umask())
    with beside.open("rb") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def remove_unfinished(directory: Path) -> None:
    """Removes what writers that were killed left in `directory`."""
    for path in directory.glob(f"{BESIDE}*"):
        path.unlink(missing_ok=True)


def make_writable_directory(directory: Path) -> None:
    """Creates `directory` with its parents and writes a file into it.

    Raises UserError where that is impossible, so that nobody learns it after hours of training.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise UserError(f"cannot write to the output folder {directory}: {error.strerror}") from None


def write_bytes(target: Path, content: bytes) -> None:
    with atomic_path(target) as beside:
        beside.write_bytes(content)


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write several files: all of them beside their places and to disk first, then all into place, in order.

    Whoever is killed before the first takes its place has changed nothing; the rest follows within a moment.

    Raises:
        DiskFullError: There is no room for one of them; nothing has changed.
    """
    with ExitStack() as leftovers:
        written = []
        for target, content in contents.items():
            with _room_for(target):
                beside = _beside(target, leftovers)
                beside.write_bytes(content)
                _to_disk(beside)
            written.append((beside, target))
        for beside, target in written:
            beside.replace(target)


def json_content(value: object) -> bytes:
    """Return a JSON file's content."""
    return (json.dumps(value, indent=2) + "\n").encode()


def write_json(target: Path, value: object) -> None:
    """Write a JSON file, complete or not at all."""
    write_bytes(target, json_content(value))


def parquet_content(columns: Mapping[str, Sequence[float]], integers: Sequence[str]) -> bytes:
    """Return columns of numbers as a parquet file's content: int64 those in `integers`, float64 the others.

    The metadata carry `format`. The same numbers give the same bytes.
    """
    import numpy as np  # here, so that reading a configuration does not wait for them
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {}
    for name, values in columns.items():
        numbers = np.array(values, np.int64 if name in integers else np.float64)
        # from its memory: pyarrow.array() imports pandas, to see whether it was given one of its columns
        arrays[name] = pa.Array.from_buffers(
            pa.from_numpy_dtype(numbers.dtype), len(numbers), [None, pa.py_buffer(numbers)]
        )
    content = io.BytesIO()
    pq.write_table(pa.table(arrays, metadata={"format": str(PARQUET_FORMAT)}), content, compression="zstd")
    return content.getvalue()


def digest(content: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    return digest(path.read_bytes())
