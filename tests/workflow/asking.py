"""Client of the server in tests.workflow.forked. As a script, it stands for a command and starts in milliseconds."""

import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from io import RawIOBase

ADDRESS = "FORKED"  # environment variable with the path of the server's socket


def ask(address: str, command: Sequence[str], files: Sequence[int], folder: str, environment: Mapping[str, str]) -> int:
    """Let the server run a command as a process of its own, and return its exit status.

    Args:
        address: Path of the server's socket.
        command: Name of the command, and its arguments.
        files: Its standard input, output and error.
        folder: Its working folder.
        environment: Its environment.

    Returns:
        The exit status; the negative number of the signal if a signal ended the command.
    """
    with begin(address, command, files, folder, environment) as answer:
        answer.readline()
        return int(answer.readline())


def begin(
    address: str,
    command: Sequence[str],
    files: Sequence[int],
    folder: str,
    environment: Mapping[str, str],
    session: bool = False,
) -> RawIOBase:
    """Let the server run a command, as `ask` does, and return its answer: a line with the process, one with the status.

    The process leads a session of its own if `session` is true.
    """
    request = {"command": list(command), "folder": folder, "environment": dict(environment), "session": session}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [b"."], files)
        connection.sendall(json.dumps(request).encode())
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb", buffering=0)


if __name__ == "__main__":
    status = ask(os.environ[ADDRESS], sys.argv[1:], (0, 1, 2), os.getcwd(), os.environ)
    sys.exit(status if status >= 0 else 128 - status)
