"""Commands as processes that start at once, to be killed by the dozen: forked from one that has imported everything."""

import multiprocessing
import os
import resource
from collections.abc import Sequence
from multiprocessing.process import BaseProcess

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.preloaded"])


def start(arguments: Sequence[str], largest_file: int | None = None) -> BaseProcess:
    """Starts the command `roma`; the process has its exit status once it has been joined.

    It may write files of at most `largest_file` bytes, as on a disk that is about to be full.
    """
    process = context.Process(target=_command, args=(list(arguments), largest_file))
    process.start()
    return process


def _command(arguments: list[str], largest_file: int | None) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    from roma.cli import main

    os._exit(main(arguments))
