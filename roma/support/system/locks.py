"""Locks on files, which their owner's death releases."""

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

WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # what file systems without flock answer
LOOK_AGAIN_SECONDS = 0.2


class TakenError(Exception):
    """Another process holds the lock."""


@contextmanager
def exclusive(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[bool]:
    """Hold the lock `path` for the length of the block; the file is created where it is missing and stays.

    Args:
        path: the lock, a file in a folder that exists.
        waiting: called once if another process holds the lock, before waiting until it is free; None does not wait.

    Yields:
        Whether the lock keeps away the processes of all machines that share the folder. On a file system without locks
        it is a file in this machine's temporary folder and keeps away only those of this machine.

    Raises:
        TakenError: another process holds the lock, and `waiting` is None.
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
    """Return the lock of this machine that stands for one on a file system without locks."""
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
    return Path(tempfile.gettempdir(), f"roma-{os.getuid()}-{name}.lock")
