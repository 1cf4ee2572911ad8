"""Commands as processes that start at once: forked from one that has imported all libraries.

Imports take most of a dry run, of most jobs and of DVC's commands. The server has imported nothing of the project: each
forked process works in a folder and an environment of its own, imports the project as a new process would, and ends
with its command. Its own commands are forked, too: programs of the same names come first on PATH, and `sys.executable`
is one of them.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from io import RawIOBase
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

from tests.workflow import asking

ROOT = Path(__file__).parents[2]
SHARED = "FORKED_SHARED"  # environment variable with the folder of a server that was started before
PYTHON = "python"  # with -m, with -c or with a script
COMMANDS = ("dvc", "roma", "snakemake")
# What these commands and the project import, or import when they need it.
LIBRARIES = (
    "dvc.cli.parser",
    "dvc.data_cloud",
    "dvc.dirs",
    "dvc.repo.index",
    "dvc.repo.plots",
    "dvc.rwlock",
    "dvc.scm",
    "dvc.utils.strictyaml",
    "dvc_data.hashfile",
    "jsonschema",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
    "numba",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "rich.live",
    "rich.progress_bar",
    "safetensors.torch",
    "seaborn",
    "smart_open",
    "snakemake.cli",
    "snakemake.report.html_reporter",
    "snakemake.storage",
    "yte",
)


def run(folder: Path, *command: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a command in a folder and return its exit status, and standard output and error together.

    Args:
        folder: The working folder.
        command: `python` or one of the commands, with arguments.
        environment: Of the process; None: that of this one.
    """
    with tempfile.TemporaryFile() as output, open(os.devnull, "rb") as nothing:
        files = [file.fileno() for file in (nothing, output, output)]
        given = with_programs(environment or os.environ)
        status = asking.ask(given[asking.ADDRESS], command, files, str(folder), given)
        output.seek(0)
        return status, output.read().decode("utf-8")


@contextmanager
def begun(folder: Path, *command: str, output: Path) -> Iterator[Begun]:
    """Begin a command in a folder, in a session of its own with all commands that it starts; kill them on an error.

    Args:
        folder: The working folder.
        command: As of `run`; the commands that it starts are not forked.
        output: File for its standard output and error.
    """
    with output.open("wb") as file, open(os.devnull, "rb") as nothing:
        files = [each.fileno() for each in (nothing, file, file)]
        answer = asking.begin(_server().address, command, files, str(folder), os.environ, session=True)
    with answer:
        process = int(answer.readline())
        try:
            yield Begun(process, answer, output)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
            raise


@dataclass(frozen=True)
class Begun:
    """A command that is at work.

    Attributes:
        process: Its number, also that of its session.
        answer: The server's answer, which ends with the exit status.
        output: File with what it printed.
    """

    process: int
    answer: RawIOBase
    output: Path

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, which must become true before the command ends."""
        while not condition():
            assert not select.select([self.answer], [], [], 0)[0], self.output.read_text(encoding="utf-8")
            time.sleep(0.05)

    def wait(self) -> int:
        """Wait for the end and return the exit status; the negative number of a signal that ended the command."""
        return int(self.answer.readline())


def snakemake(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run Snakemake as `run` does."""
    return run(folder, "snakemake", *arguments, environment=environment)


def with_programs(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which the commands are forked."""
    server = _server()
    return {
        **environment,
        asking.ADDRESS: server.address,
        "PATH": f"{server.programs}{os.pathsep}{environment['PATH']}",
    }


@contextmanager
def own_commands() -> Iterator[None]:
    """Fork the commands that this process starts by `sys.executable` or by name inside the block."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in with_programs(os.environ).items():
            patch.setenv(name, value)
        patch.setattr(sys, "executable", str(_server().programs / PYTHON))
        yield


def share() -> None:
    """Let all processes that this one starts use one server."""
    os.environ[SHARED] = str(_server().folder)


class _Server:
    """A server, in a folder with its socket and the programs that stand for the commands."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.address, self.programs = folder, str(folder / "socket"), folder / "bin"

    def start(self) -> None:
        """Start it; it ends with this process, when its standard input does."""
        self.programs.mkdir()
        for name in (PYTHON, *COMMANDS):
            program = self.programs / name
            program.write_text(
                f'#!/bin/sh\nexec {sys.executable} -ES {asking.__file__} {name} "$@"\n', encoding="utf-8"
            )
            program.chmod(0o755)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.address)
            listener.listen()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.workflow.forked", str(listener.fileno()), str(self.programs / PYTHON)],
                cwd=ROOT,
                # Without the import path, which is that of each command; one thread, as the project sets it.
                env={**os.environ, "PYTHONPATH": "", "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
            )


@cache
def _server() -> _Server:
    if SHARED in os.environ:
        return _Server(Path(os.environ[SHARED]))
    folder = tempfile.mkdtemp(prefix="forked-")
    atexit.register(shutil.rmtree, folder)
    server = _Server(Path(folder))
    server.start()
    return server


def serve(listener: socket.socket) -> None:
    """Run the command of each connection as a process of its own, until standard input ends.

    Nothing is imported before the first connection.
    """
    select.select([sys.stdin, listener], [], [])
    for name in LIBRARIES:
        importlib.import_module(name)
    importlib.import_module("snakemake.cli").get_argument_parser()  # finds all plugins
    importlib.import_module("numba").njit("i8(i8)")(lambda number: number)  # loads the compiler
    assert not {"analysis", "roma", "workflow"} & sys.modules.keys()
    gc.freeze()  # collections in the processes leave these objects alone
    at_work: dict[int, tuple[int, socket.socket]] = {}  # process and connection, by the descriptor of the process
    while sys.stdin not in (ready := select.select([sys.stdin, listener, *at_work], [], [])[0]):
        for each in ready:
            if each is listener:
                connection, _ = listener.accept()
                _, files, _, _ = socket.recv_fds(connection, 1, 3)
                with connection.makefile("rb") as request:
                    wanted = json.load(request)
                if (process := os.fork()) == 0:
                    for inherited in (listener, connection, *(other for _, other in at_work.values())):
                        inherited.close()
                    begin(files=files, **wanted)
                for file in files:
                    os.close(file)
                connection.sendall(f"{process}\n".encode())
                at_work[os.pidfd_open(process)] = process, connection
            else:
                process, connection = at_work.pop(each)
                os.close(each)
                _, status = os.waitpid(process, 0)
                with connection, suppress(BrokenPipeError):  # the other end may have been killed
                    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def begin(
    command: Sequence[str], folder: str, environment: Mapping[str, str], session: bool, files: Sequence[int]
) -> NoReturn:
    """Become the process of one command."""
    if session:
        os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    importlib.import_module("numba").config.reload_config()  # from the environment; it was imported before the fork
    if asking.ADDRESS in environment:  # its own commands are forked, too
        sys.executable = sys.argv[2]
    sys.path[:1] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    status = 1
    try:
        execute(*command)
        status = 0
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # freeing the objects of all libraries takes longer than most commands


def execute(name: str, *arguments: str) -> None:
    """Execute a command as the main module of this process."""
    sys.modules["__main__"] = ModuleType("__main__")  # processes of multiprocessing import the main module
    if name in COMMANDS:
        sys.argv[:] = [name, *arguments]
        sys.exit(importlib.import_module(f"{name}.cli").main())
    if arguments[0] in ("-c", "-m"):
        sys.path.insert(0, os.getcwd())
        sys.argv[:] = arguments[:1] + arguments[2:]
        if arguments[0] == "-c":
            exec(arguments[1], {"__name__": "__main__"})
        else:
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(arguments[0]).parent))
        sys.argv[:] = arguments
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
