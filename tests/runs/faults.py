"""Commands as processes that start at once, to be killed by the dozen: forked from one that has imported everything."""

import multiprocessing
import os
import resource
from collections.abc import Sequence
from importlib import import_module
from multiprocessing.process import BaseProcess

ROMA, ANALYSIS = "roma.cli", "analysis.__main__"

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.preloaded"])


def start(module: str, arguments: Sequence[str], largest_file: int | None = None) -> BaseProcess:
    """Starts the command whose `main` is in `module`; the process has its exit status once it has been joined.

    It may write files of at most `largest_file` bytes, as on a disk that is about to be full.
    """
    process = context.Process(target=_command, args=(module, list(arguments), largest_file))
    process.start()
    return process


def _command(module: str, arguments: list[str], largest_file: int | None) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    os._exit(import_module(module).main(arguments))
