"""Files that are either complete or absent: written beside their place, flushed to disk, then renamed into it."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from roma.errors import UserError

BESIDE = ".beside-"  # how the names of unfinished files begin
DIGEST_LENGTH = 16  # of a digest's beginning in the names of files
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFullError(UserError):
    """A file could not be written for want of room; the message names it."""


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a path beside `target` to write to; it takes the target's place when the block ends without an error.

    Raises:
        DiskFullError: there is no room for it.
    """
    beside: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=BESIDE, dir=target.parent)
        os.close(handle)
        beside = Path(name)
        yield beside
        beside.chmod(0o666 & ~_umask())
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(target)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise DiskFullError(f"{target} could not be written: {error.strerror or error}") from None
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


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


def write_json(target: Path, value: object) -> None:
    write_bytes(target, (json.dumps(value, indent=2) + "\n").encode())


def write_parquet(target: Path, columns: Mapping[str, Sequence[float]], integers: Sequence[str]) -> None:
    """Columns of numbers as parquet: int64 those named in `integers`, float64 the others. Same numbers, same bytes."""
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
    with atomic_path(target) as beside:
        pq.write_table(pa.table(arrays), beside, compression="zstd")


def digest(content: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    return digest(path.read_bytes())
