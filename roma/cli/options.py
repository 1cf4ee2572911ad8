"""What the groups of commands share: the parser, checks of options, and the clone that some commands work in."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from roma.support.clone import find_clone
from roma.support.errors import UserError


class Parser(argparse.ArgumentParser):
    """Parser that reports mistakes as every other error is reported: in one line."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see {self.prog} --help)")


def positive(option: str, text: str) -> int:
    """Return the whole number that an option was given.

    Raises:
        UserError: It is none, or below 1.
    """
    from roma.runs.config import parse

    number: int = parse(option, text, int)
    if number < 1:
        raise UserError(f"{option} = {number} must be at least 1")
    return number


def require_folder(folder: Path) -> None:
    """Raise a UserError if a folder does not exist."""
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")


def clone(command: str) -> Path:
    """Return the clone of the project that the working folder is in, and let its packages be imported.

    Args:
        command: The command that needs it, such as `roma cost`.

    Raises:
        UserError: It is in none.
    """
    place = find_clone(Path.cwd())
    if place is None:
        raise UserError(f"{command} works in a clone of the project: neither {Path.cwd()} nor a folder above is one")
    sys.path.insert(0, str(place))
    return place
