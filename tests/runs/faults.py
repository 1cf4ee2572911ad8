"""Forked processes that have imported the project and start at once, so that tests can kill many of them."""

import fcntl
import multiprocessing
import os
import resource
import signal
import sys
import termios
from collections.abc import Callable, Sequence
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Lock

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.preloaded"])
# Starting a process polls all others for their exit status. If two threads poll at once, only one of them gets the exit
# status, and multiprocessing returns 255 to the other.
asking = Lock()


def start(arguments: Sequence[str], output: Path = Path(os.devnull), largest_file: int | None = None) -> BaseProcess:
    """Start the command `roma`; the process has its exit status once `join` has seen it end.

    Args:
        arguments: Of the command.
        output: File for standard output and error, or a terminal, which becomes that of the process.
        largest_file: Most bytes of a file that it can write, as on a disk that is almost full.
    """
    return _started(_command, list(arguments), output, largest_file)


def run(function: Callable[[], None]) -> None:
    """Run a function of a module in such a process, and check that it succeeds."""
    process = _started(function)
    join(process)
    assert process.exitcode == 0


def join(process: BaseProcess, seconds: float | None = None) -> None:
    """Wait for a process to end, for at most this many seconds."""
    if connection.wait([process.sentinel], seconds):
        with asking:
            process.join()


def _started(function: Callable[..., None], *arguments: object) -> BaseProcess:
    process = context.Process(target=function, args=arguments)
    with asking:
        process.start()
    return process


def _command(arguments: list[str], output: Path, largest_file: int | None) -> None:
    opened = os.open(output, os.O_RDWR | os.O_CREAT | os.O_NOCTTY)
    for stream in range(3):
        os.dup2(opened, stream)
    if os.isatty(0):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which is ignored under `nohup`
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    from roma.cli import main

    sys.exit(main(arguments))
