"""Shared code of the command groups: the parser, checks of options, and the search for the project's clone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NoReturn

from roma.support.errors import UserError, unknown
from roma.support.system.clone import find_clone


class Parser(argparse.ArgumentParser):
    """Parser that reports mistakes in one line, like all other errors."""

    def error(self, message: str) -> NoReturn:
        """Raise a mistake as UserError."""
        raise UserError(f"{message} (see {self.prog} --help)")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as `ArgumentParser` does, with an error for what is left: subparsers know their options, others do not.

        Raises:
            UserError: An option does not exist, or there is an argument too many.
        """
        options, rest = super().parse_known_args(args, namespace)
        if not rest:
            return options, rest
        name = rest[0].partition("=")[0]
        if not name.startswith("-"):
            self.error(f"{name!r} is one argument too many")
        raise unknown(f"option of {self.prog}", name, [one for one in self._option_string_actions if one[:2] == "--"])


def add_settings(parser: Parser) -> None:
    """Add the option `--set`, whose values `roma.runs.config.parse_assignments` reads."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the protocol, of the algorithm or of the engine; may be repeated",
    )


def positive(option: str, text: str) -> int:
    """Return the value of an option that must be a positive whole number.

    Args:
        option: Name of the option, for messages.
        text: Value as the user wrote it.

    Raises:
        UserError: The value is not a whole number, or less than 1.
    """
    from roma.support.schemas.settings import parse

    number: int = parse(option, text, int)
    if number < 1:
        raise UserError(f"{option} = {number} must be at least 1")
    return number


def require_folder(folder: Path) -> None:
    """Check that a folder exists.

    Raises:
        UserError: The folder does not exist.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")


def clone(command: str) -> Path:
    """Return the project's clone that contains the working folder, and add it to the import path.

    Args:
        command: Command that needs the clone, such as `roma cost`.

    Raises:
        UserError: The working folder is not in a clone.
    """
    place = find_clone(Path.cwd())
    if place is None:
        raise UserError(f"{command} works in a clone of the project: neither {Path.cwd()} nor a folder above is one")
    sys.path.insert(0, str(place))
    return place
