"""Snakemake as processes that start at once: forked from one that has imported it, and nothing of the project.

Importing takes most of a dry run. Each process works in a folder and an environment of its own, imports the project
from that folder, and ends with its command, as `python -m snakemake` does.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NoReturn

# What Snakemake imports when a workflow needs it.
LATER = ("jsonschema", "smart_open", "snakemake.report.html_reporter", "snakemake.storage", "yte")


def snakemake(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run Snakemake in a folder and return its exit status, and standard output and error together.

    Args:
        folder: The working folder.
        arguments: The words after `snakemake`.
        environment: Of the process; None: that of this one.
    """
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    with tempfile.NamedTemporaryFile() as output:
        request = {"arguments": arguments, "folder": str(folder), "environment": dict(environment or os.environ)}
        print(json.dumps(request | {"output": output.name}), file=server.stdin, flush=True)
        status = int(server.stdout.readline())
        return status, Path(output.name).read_text(encoding="utf-8")


@cache
def _server() -> subprocess.Popen[str]:
    """The process that has imported Snakemake; it ends with this one, when its standard input does."""
    command = [sys.executable, str(Path(__file__).absolute())]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def serve() -> None:
    """Answer each request, a line of JSON, with the exit status of its process."""
    for name in ("snakemake.cli", *LATER):
        importlib.import_module(name)
    assert not {"analysis", "roma", "workflow"} & sys.modules.keys()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            begin(**json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def begin(arguments: list[str], folder: str, environment: dict[str, str], output: str) -> NoReturn:
    """Become the process of one command."""
    from snakemake.cli import main

    nothing, written = os.open(os.devnull, os.O_RDONLY), os.open(output, os.O_WRONLY)
    for number, file in enumerate((nothing, written, written)):
        os.dup2(file, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = folder
    sys.argv[:] = ["snakemake", *arguments]
    main()
    sys.exit()


if __name__ == "__main__":
    serve()
