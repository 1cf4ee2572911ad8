"""Commands as processes that start at once, to be killed by the dozen: forked from one that has imported everything."""

import multiprocessing
import os
import resource
from collections.abc import Sequence
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from threading import Lock

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.preloaded"])
# Starting a process asks all others whether they have ended. Of two threads that ask at once, only one is told the exit
# status, and multiprocessing makes 255 of the other's answer.
asking = Lock()


def start(arguments: Sequence[str], largest_file: int | None = None) -> BaseProcess:
    """Starts the command `roma`; the process has its exit status once `join` has found it ended.

    It may write files of at most `largest_file` bytes, as on a disk that is about to be full.
    """
    process = context.Process(target=_command, args=(list(arguments), largest_file))
    with asking:
        process.start()
    return process


def join(process: BaseProcess, seconds: float | None = None) -> None:
    """Waits for a process to end, at most so many seconds."""
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
