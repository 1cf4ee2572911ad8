"""Atomic file writes: a file is written beside its target, flushed to disk, then renamed."""

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

BESIDE = ".beside-"  # prefix of the names of unfinished files
PARQUET_FORMAT = 1  # format of a run's tables; raise it when the meaning of a column changes
DIGEST_LENGTH = 16  # hexadecimal digits of a digest in file names
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFullError(UserError):
    """File that could not be written because the disk is full; the message names the file."""


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; it replaces the target when the block ends without an error.

    Raises:
        DiskFullError: The disk is full.
    """
    with ExitStack() as leftovers, _room_for(target):
        beside = _beside(target, leftovers)
        yield beside
        _to_disk(beside)
        beside.replace(target)


@contextmanager
def _room_for(target: Path) -> Iterator[None]:
    """Convert the errors of a full disk to DiskFullError."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise DiskFullError(f"{target} could not be written: {error.strerror or error}") from None


def _beside(target: Path, leftovers: ExitStack) -> Path:
    """Return a new, empty file in the folder of `target`; `leftovers` removes it if it still exists at the end."""
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
    """Remove the unfinished files that killed writers left in `directory`."""
    for path in directory.glob(f"{BESIDE}*"):
        path.unlink(missing_ok=True)


def make_writable_directory(directory: Path, room: int = 0) -> None:
    """Create `directory` with its parents and check that it is writable, before hours of training depend on it.

    Args:
        directory: The directory.
        room: Bytes for which its disk must have room.

    Raises:
        UserError: The directory cannot be created or written, or its disk is full.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory) as file:
            if room:
                os.posix_fallocate(file.fileno(), 0, room)
    except OSError as error:
        raise UserError(f"cannot write to the output folder {directory}: {error.strerror}") from None


def write_bytes(target: Path, content: bytes) -> None:
    """Write a file atomically."""
    with atomic_path(target) as beside:
        beside.write_bytes(content)


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write several files: first all of them to temporary files on disk, then rename them to their targets, in order.

    A process killed before the first rename has changed nothing. The renames follow each other within a moment.

    Args:
        contents: Content of each target, in the order of the renames.

    Raises:
        DiskFullError: The disk is full; nothing has changed.
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
    """Return the content of a JSON file with this value."""
    return (json.dumps(value, indent=2) + "\n").encode()


def write_json(target: Path, value: object) -> None:
    """Write a JSON file atomically."""
    write_bytes(target, json_content(value))


def parquet_content(columns: Mapping[str, Sequence[float]], integers: Sequence[str]) -> bytes:
    """Return the content of a parquet file; the same numbers give the same bytes.

    The metadata contain `format`.

    Args:
        columns: Numbers of each column, by name.
        integers: Names of the int64 columns; the others are float64.
    """
    import numpy as np  # imported here, so that reading a configuration does not wait for numpy and pyarrow
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {}
    for name, values in columns.items():
        numbers = np.array(values, np.int64 if name in integers else np.float64)
        # Built from the buffer, because pyarrow.array() would import pandas to check for a pandas column.
        arrays[name] = pa.Array.from_buffers(
            pa.from_numpy_dtype(numbers.dtype), len(numbers), [None, pa.py_buffer(numbers)]
        )
    content = io.BytesIO()
    pq.write_table(pa.table(arrays, metadata={"format": str(PARQUET_FORMAT)}), content, compression="zstd")
    return content.getvalue()


def digest(content: bytes) -> str:
    """Return the SHA-256 of a content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return digest(path.read_bytes())
