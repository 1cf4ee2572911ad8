"""Snakemake, and `roma` in its jobs, as processes that start at once: forked from one that has imported all libraries.

Imports take most of a dry run and most of a job. The server has imported nothing of the project. Each of its processes
works in a folder and an environment of its own, imports the project as a new process would, and ends with its command.
"""

import gc
import importlib
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn

from tests.workflow import asking

ROOT = Path(__file__).parents[2]
# What Snakemake imports when a workflow needs it, and what the project imports.
LIBRARIES = (
    "jsonschema",
    "numba",
    "pyarrow.parquet",
    "safetensors.torch",
    "seaborn",
    "smart_open",
    "snakemake.cli",
    "snakemake.report.html_reporter",
    "snakemake.storage",
    "torch._dynamo",  # the first optimiser of a process imports it
    "yte",
)


def snakemake(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run Snakemake in a folder and return its exit status, and standard output and error together.

    Args:
        folder: The working folder.
        arguments: The words after `snakemake`.
        environment: Of the process; None: that of this one.
    """
    server = _server()
    with tempfile.TemporaryFile() as output, open(os.devnull, "rb") as nothing:
        status = asking.ask(
            server.address,
            ["snakemake", *arguments],
            [file.fileno() for file in (nothing, output, output)],
            str(folder),
            (environment or os.environ) | server.variables,
        )
        output.seek(0)
        return status, output.read().decode("utf-8")


class _Server:
    """A server, which ends with this process, when its standard input does."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="forked-")
        self.address = f"{self.folder.name}/socket"
        # Jobs are commands of bash, which reads the file BASH_ENV first; functions come before programs on PATH.
        shell = Path(self.folder.name, "roma.sh")
        shell.write_text(f'roma() {{ {sys.executable} -ES {asking.__file__} "$@"; }}\n', encoding="utf-8")
        self.variables = {"BASH_ENV": str(shell), asking.ADDRESS: self.address}
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.address)
            listener.listen()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.workflow.forked", str(listener.fileno())],
                cwd=ROOT,
                # Without the import path, which is that of each command; one thread, as the project sets it.
                env={**os.environ, "PYTHONPATH": "", "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
            )


@cache
def _server() -> _Server:
    return _Server()


def serve(listener: socket.socket) -> None:
    """Run the command of each connection as a process of its own, until standard input ends."""
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.freeze()  # collections in the processes leave these objects alone
    assert not {"analysis", "roma", "workflow"} & sys.modules.keys()
    children: set[int] = set()
    while sys.stdin not in select.select([sys.stdin, listener], [], [])[0]:
        connection, _ = listener.accept()
        if (child := os.fork()) == 0:
            listener.close()
            answer(connection)
        children.add(child)
        connection.close()
        children -= {child for child in children if os.waitpid(child, os.WNOHANG)[0]}


def answer(connection: socket.socket) -> NoReturn:
    """Run a command and send its exit status."""
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as request:
        wanted = json.load(request)
    if (child := os.fork()) == 0:
        connection.close()
        begin(files=files, **wanted)
    _, status = os.waitpid(child, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def begin(command: Sequence[str], folder: str, environment: Mapping[str, str], files: Sequence[int]) -> NoReturn:
    """Become the process of one command."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    first = folder if command[0] == "snakemake" else str(Path(sys.executable).parent)
    sys.path[:1] = [first, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv[:] = command
    status = 1
    try:
        sys.exit(importlib.import_module(f"{command[0]}.cli").main())
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


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
