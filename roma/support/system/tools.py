"""Calls of other programs, such as git, with their own messages in errors."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from roma.support.errors import UserError


class ToolError(UserError):
    """Program that is missing or has failed.

    Args:
        message: One line with the program's complete output.
        status: Exit status; None if the program is missing.
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
    """Run a program and return its standard output as text, without surrounding white space.

    Args:
        command: Program and arguments.
        folder: Working folder; None: the current one.
        environment: Environment variables; None: those of this process.
        text: Standard input; None: that of this process.

    Raises:
        ToolError: The program is missing, or its exit status is not 0.
    """
    said = None if text is None else text.encode()
    try:
        done = subprocess.run(command, cwd=folder, env=environment, input=said, capture_output=True, check=False)
    except OSError as error:
        raise ToolError(f"{command[0]} is needed: {error.strerror}", None) from None
    if done.returncode:
        words = " ".join(os.fsdecode(done.stderr or done.stdout).split()) or f"exit status {done.returncode}"
        raise ToolError(f"{' '.join(command[:4])} failed in {folder or Path.cwd()}: {words}", done.returncode)
    return os.fsdecode(done.stdout).strip()  # fsdecode, so that paths survive in every locale
