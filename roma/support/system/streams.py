"""Standard streams that stay usable after their reader has gone."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO

READER_GONE = (errno.EPIPE, errno.EIO)  # a pipe without a reader; a closed terminal


class _Lasting(io.FileIO):
    """File descriptor that ignores some write errors.

    Args:
        descriptor: File descriptor; it stays open.
        ignored: errno values to ignore; None ignores all errors.
    """

    def __init__(self, descriptor: int, ignored: tuple[int, ...] | None) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._ignored = ignored

    def write(self, data: Any) -> int | None:  # type: ignore[override]
        try:
            return super().write(data)
        except OSError as error:
            if self._ignored is not None and error.errno not in self._ignored:
                raise
            return memoryview(data).nbytes


def outlive_readers() -> None:
    """Keep this process running when the reader of its standard output or standard error goes away.

    On standard error all failed writes are ignored: an unreadable message is no reason to end. On standard output only
    the loss of the reader is ignored; a full disk behind a redirection remains an error. Characters outside the
    locale's encoding are escaped. Streams that were closed from the start become /dev/null, because the next opened
    file would otherwise get their number.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this descriptor
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, closefd=False)
    if sys.stdout is sys.__stdout__ or sys.__stdout__ is None:
        sys.stdout = _lasting(sys.stdout, READER_GONE)
    if sys.stderr is sys.__stderr__ or sys.__stderr__ is None:
        sys.stderr = _lasting(sys.stderr, None)


def _lasting(stream: TextIO, ignored: tuple[int, ...] | None) -> TextIO:
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Lasting(stream.fileno(), ignored)),
        encoding=stream.encoding,
        errors="backslashreplace" if stream.errors == "strict" else stream.errors,
        line_buffering=bool(getattr(stream, "line_buffering", False)),
    )
