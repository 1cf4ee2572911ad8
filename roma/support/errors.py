"""Errors for users: one line, without a traceback."""

import errno
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches

# Errors of the file system that the user can correct, such as a clone that belongs to somebody else.
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


class UserError(Exception):
    """Error that the user can correct. The command line prints it as `error: <message>` and exits with status 2.

    Args:
        message: One line: what is wrong, the offending value, what is valid.
        attachment: Any number of further lines, for the log of the run that the error ends.
    """

    def __init__(self, message: str, attachment: str = "") -> None:
        super().__init__(message)
        self.attachment = attachment


def unknown(kind: str, value: object, valid: Iterable[str]) -> UserError:
    """Return the error for a name that is not in `valid`; it suggests the nearest valid name and lists all of them."""
    names = sorted(valid)
    return UserError(f"{str(value)!r} is not a known {kind}{suggestion(value, names)}; known: {', '.join(names)}")


def suggestion(value: object, valid: Iterable[str]) -> str:
    """Return the nearest valid name as a question in brackets; empty if none is near."""
    by_lower_case = {name.lower(): name for name in valid}
    nearest = get_close_matches(str(value).lower(), by_lower_case, n=1, cutoff=0.5)
    return f" (did you mean {by_lower_case[nearest[0]]!r}?)" if nearest else ""


def exit_status(command: Callable[[], int]) -> int:
    """Run a command, printing a UserError or a refusal of the file system as one line.

    Returns:
        The exit status: the command's own, 2 after such an error, 130 after an interruption.
    """
    try:
        return command()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in REFUSED or error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
