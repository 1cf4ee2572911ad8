"""State and pausing of this user's campaign on this machine, from any clone.

    python3 workflow/campaign/pausing.py COMMAND...

runs a command and pauses the campaign, if there is one, until the command ends. This module uses only the standard
library, so that any Python of the machine can run it. The campaign holds a lock while it is alive, and so does each
process that pauses it. The system releases a lock when its owner ends, even if it was killed. A process tests a lock by
trying to take it. Only one process does so at a time (`asking`), so that two tests never mistake each other for an
owner.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ALIVE = "alive.lock"  # held by the campaign's supervisor
PAUSING = "pausing.lock"  # a shared lock, held by each process that pauses the campaign
ASKING = "asking.lock"  # held for a moment by a process that tests or takes one of the other locks
PAUSED = "paused"  # exists from `roma campaign pause` until `roma campaign resume`
RECORD = "campaign.json"


def state_folder() -> Path:
    """Return the folder with the state of this user's campaign on this machine; it need not exist."""
    home = os.environ.get("XDG_STATE_HOME", "")
    base = Path(home) if os.path.isabs(home) else Path("~/.local/state").expanduser()
    return base / "roma" / socket.gethostname()


def record(state: Path) -> dict[str, Any]:
    """Return the record of this machine's last campaign; empty if there was none."""
    try:
        known: dict[str, Any] = json.loads((state / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known


def alive(state: Path) -> bool:
    """Return whether a campaign runs on this machine, paused or not."""
    return _held(state / ALIVE, fcntl.LOCK_SH)


def wanted(state: Path) -> bool:
    """Return whether a user or a process wants the campaign to be paused."""
    return (state / PAUSED).exists() or _held(state / PAUSING, fcntl.LOCK_EX)


@contextmanager
def asking(state: Path) -> Iterator[None]:
    """Be the only process that tests or takes one of the locks, for the duration of the block."""
    try:
        lock = (state / ASKING).open("a")
    except OSError:  # no campaign can run without this folder
        yield
        return
    with lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def let_go_on(state: Path) -> bool:
    """Resume the campaign unless a user or a process pauses it; return whether it was resumed.

    The lock is held meanwhile, so that no other process can send SIGSTOP just before this SIGCONT.
    """
    group = _group(state)
    try:
        with asking(state), (state / PAUSING).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (state / PAUSED).exists():
                return False
            _send(group, signal.SIGCONT)
    except BlockingIOError:
        return False
    except OSError:  # the folder is gone or full, so no process can hold a lock
        _send(group, signal.SIGCONT)
    return True


def signal_group(state: Path, number: int) -> None:
    """Send a signal to all processes of the running campaign except its supervisor."""
    _send(_group(state), number)


def _group(state: Path) -> int | None:
    """Return the process group of the running campaign; None if there is none."""
    return record(state).get("group") if alive(state) else None


def _send(group: int | None, number: int) -> None:
    if group is not None:
        with suppress(OSError):
            os.killpg(group, number)


@contextmanager
def paused(state: Path) -> Iterator[None]:
    """Pause the campaign for the duration of the block, or until this process is killed.

    The campaign's supervisor resumes it when no process pauses it any more.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / PAUSING).open("a")
    except OSError:  # no campaign can run without this folder
        yield
        return
    with lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_SH)
        signal_group(state, signal.SIGSTOP)
        yield


def _held(lock: Path, kind: int) -> bool:
    """Return whether another process holds a lock in a way that excludes `kind`."""
    try:
        with asking(lock.parent), lock.open("a", encoding="utf-8") as file:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    command = list(sys.argv[1:] if arguments is None else arguments)
    if not command:
        print("error: which command? python3 workflow/campaign/pausing.py COMMAND...", file=sys.stderr)
        return 2
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []  # signals that arrived before the command was started

    def pass_on(number: int, frame: object) -> None:
        if process is None:
            early.append(number)
        else:
            process.send_signal(number)

    with paused(state_folder()):
        signal.signal(signal.SIGINT, lambda number, frame: None)  # the terminal also sends it to the command
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, pass_on)
        try:
            process = subprocess.Popen(command)
        except OSError as error:
            print(f"error: {command[0]}: {error.strerror}", file=sys.stderr)
            return 127
        for missed in early:
            process.send_signal(missed)
        status = process.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
