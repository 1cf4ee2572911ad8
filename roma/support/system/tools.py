"""Other programs, such as git: what they answer, and their own words where they fail."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from roma.support.errors import UserError


class ToolError(UserError):
    """A program is missing or has failed; the message has all that it said.

    `status` is its exit status, None where it is missing.
    """

    def __init__(self, message: str, status: int | None) -> None:
        super().__init__(message)
        self.status = status


def ask(
    command: Sequence[str],
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    text: str | None = None,
) -> str:
    """Run a program and return its standard output, as text and without the white space around it.

    Args:
        command: The program and its arguments.
        folder: Where it runs; None: here.
        environment: Its environment variables; None: those of this process.
        text: Its standard input; None: the one of this process.

    Raises:
        ToolError: It is missing, or ends with another status than 0.
    """
    said = None if text is None else text.encode()
    try:
        done = subprocess.run(command, cwd=folder, env=environment, input=said, capture_output=True, check=False)
    except OSError as error:
        raise ToolError(f"{command[0]} is needed: {error.strerror}", None) from None
    if done.returncode:
        words = " ".join(os.fsdecode(done.stderr or done.stdout).split()) or f"exit status {done.returncode}"
        raise ToolError(f"{' '.join(command[:4])} failed in {folder or Path.cwd()}: {words}", done.returncode)
    return os.fsdecode(done.stdout).strip()  # paths come as this process writes them, whatever its locale
