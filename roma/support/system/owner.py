"""Processes that end with the process that started them, even if that one was killed."""

from __future__ import annotations

import os
import select
import signal
import threading
from pathlib import Path

VARIABLE = "ROMA_OWNER"
_NAMESPACE = Path("/proc/self/ns/pid")


def mark() -> str:
    """Return the value of `VARIABLE` that makes child commands end with this process and with its own owners.

    The value includes the process namespace, because process numbers have no meaning in another one (a container's).
    """
    owners = os.environ.get(VARIABLE, "").split(";")
    return ";".join(dict.fromkeys([*filter(None, owners), f"{os.getpid()} {_namespace()}"]))


def end_with_owner() -> None:
    """Send this process SIGTERM once a process named by `VARIABLE` has ended, for whatever reason.

    Does nothing if the variable is not set or was set in another process namespace, or if the system cannot watch
    processes.
    """
    descriptors = []
    for owner in os.environ.get(VARIABLE, "").split(";"):
        number, _, namespace = owner.partition(" ")
        if not number.isdecimal() or namespace != _namespace() or not hasattr(os, "pidfd_open"):
            continue
        try:
            descriptors.append(os.pidfd_open(int(number)))
        except ProcessLookupError:
            os.kill(os.getpid(), signal.SIGTERM)
        except OSError:
            continue
    if descriptors:
        threading.Thread(target=_wait, args=(descriptors,), daemon=True).start()


def _wait(descriptors: list[int]) -> None:
    ended = select.poll()
    for descriptor in descriptors:
        ended.register(descriptor, select.POLLIN)
    ended.poll()
    os.kill(os.getpid(), signal.SIGTERM)


def _namespace() -> str:
    try:
        return os.readlink(_NAMESPACE)
    except OSError:
        return "unknown"
