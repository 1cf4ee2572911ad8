"""Errors for users: one line and an exit status, and a traceback for everything else."""

import errno
import os

import pytest

from roma.support.errors import UserError, exit_status


def fail(error):
    raise error


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_refusal_of_the_file_system_names_the_file_in_one_line(capsys, number):
    """As in a clone that belongs to somebody else: any command may be the first to write there."""
    assert exit_status(lambda: fail(OSError(number, os.strerror(number), "a/folder"))) == 2
    assert capsys.readouterr().err == f"error: a/folder: {os.strerror(number)}\n"


def test_other_errors_of_the_system_keep_their_traceback():
    for error in (OSError(errno.EBADF, "bad", "a file"), OSError(errno.ENOSPC, "full"), ValueError("wrong")):
        with pytest.raises(type(error)):
            exit_status(lambda error=error: fail(error))


def test_a_users_mistake_is_one_line(capsys):
    assert exit_status(lambda: fail(UserError("no such map"))) == 2
    assert capsys.readouterr().err == "error: no such map\n"
    assert exit_status(lambda: fail(KeyboardInterrupt())) == 130
