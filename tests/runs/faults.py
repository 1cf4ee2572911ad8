"""Commands as forked processes that start at once, so that tests can kill many of them."""

import multiprocessing
import os
import resource
from collections.abc import Sequence
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from threading import Lock

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.preloaded"])
# Starting a process polls all others for their exit status. If two threads poll at once, only one of them gets the exit
# status, and multiprocessing returns 255 to the other.
asking = Lock()


def start(arguments: Sequence[str], largest_file: int | None = None) -> BaseProcess:
    """Start the command `roma`; the process has its exit status once `join` has seen it end.

    It can write files of at most `largest_file` bytes, as on a disk that is almost full.
    """
    process = context.Process(target=_command, args=(list(arguments), largest_file))
    with asking:
        process.start()
    return process


def join(process: BaseProcess, seconds: float | None = None) -> None:
    """Wait for a process to end, for at most this many seconds."""
    if connection.wait([process.sentinel], seconds):
        with asking:
            process.join()


def _command(arguments: list[str], largest_file: int | None) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    from roma.cli import main

    os._exit(main(arguments))
