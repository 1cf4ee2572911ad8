"""File locks that the operating system releases when their owner ends, even if it was killed."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # errors of file systems without flock
LOOK_AGAIN_SECONDS = 0.2


class TakenError(Exception):
    """Lock that another process holds."""


@contextmanager
def exclusive(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[bool]:
    """Hold a lock for the duration of the block.

    Args:
        path: The lock file, in an existing folder; it is created if it is missing, and never removed.
        waiting: Function called once before waiting for another process that holds the lock; None: do not wait.

    Yields:
        Whether the lock excludes the processes of all machines that share the folder. On a file system without locks,
        the lock is a file in this machine's temporary folder and excludes only processes of this machine.

    Raises:
        TakenError: Another process holds the lock, and `waiting` is None.
    """
    with path.open("a", encoding="utf-8") as file:
        try:
            _take(file, waiting)
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                raise
        else:
            yield True
            return
    with _stand_in(path).open("a") as file:
        _take(file, waiting)
        yield False


def _take(file: TextIO, waiting: Callable[[], None] | None) -> None:
    told = False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if waiting is None:
                raise TakenError from None
        if not told:
            waiting()
            told = True
        time.sleep(LOOK_AGAIN_SECONDS)


def _stand_in(path: Path) -> Path:
    """Return the lock file of this machine that replaces one on a file system without locks."""
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
    return Path(tempfile.gettempdir(), f"roma-{os.getuid()}-{name}.lock")
