"""The campaign of this machine and user, seen from outside: whether it runs, and how it is paused.

    python3 workflow/campaign/pausing.py COMMAND...

runs a command while the campaign, if there is one, is paused. Only the standard library is needed, so that any Python
of the machine serves, and the campaign may be in another clone. The campaign holds a lock for as long as it lives; so
does everybody who pauses it. A lock ends with its owner, however that one ends. Whether somebody holds one of them is
found out by trying to take it, which only one process does at a time (`asking`), so that no two find each other.
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
PAUSING = "pausing.lock"  # held, together with others, by everybody who pauses the campaign
ASKING = "asking.lock"  # held for a moment by whoever finds out about, or takes, one of the others
PAUSED = "paused"  # is there from `roma campaign pause` to `roma campaign resume`
RECORD = "campaign.json"


def state_folder() -> Path:
    """Return the folder in which this user's campaign on this machine is known, which need not exist."""
    home = os.environ.get("XDG_STATE_HOME", "")
    base = Path(home) if os.path.isabs(home) else Path("~/.local/state").expanduser()
    return base / "roma" / socket.gethostname()


def record(state: Path) -> dict[str, Any]:
    """Return what the last campaign of this machine wrote about itself; nothing where there was none."""
    try:
        known: dict[str, Any] = json.loads((state / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known


def alive(state: Path) -> bool:
    """Return whether a campaign runs on this machine, paused or not."""
    return _held(state / ALIVE, fcntl.LOCK_SH)


def wanted(state: Path) -> bool:
    """Return whether the campaign is to be paused."""
    return (state / PAUSED).exists() or _held(state / PAUSING, fcntl.LOCK_EX)


@contextmanager
def asking(state: Path) -> Iterator[None]:
    """Be the only process that tries to take one of the locks, for the length of the block."""
    try:
        lock = (state / ASKING).open("a")
    except OSError:  # no campaign could have made itself known here
        yield
        return
    with lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def let_go_on(state: Path) -> bool:
    """Let the campaign go on unless somebody pauses it; return whether it does.

    The lock is held meanwhile, so that nobody's SIGSTOP can come before this SIGCONT.
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
    except OSError:  # the folder is gone or full: nobody can pause it but by hand
        _send(group, signal.SIGCONT)
    return True


def signal_group(state: Path, number: int) -> None:
    """Send a signal to all processes of the running campaign but its supervisor."""
    _send(_group(state), number)


def _group(state: Path) -> int | None:
    """Return the process group of the running campaign; None where none runs."""
    return record(state).get("group") if alive(state) else None


def _send(group: int | None, number: int) -> None:
    if group is not None:
        with suppress(OSError):
            os.killpg(group, number)


@contextmanager
def paused(state: Path) -> Iterator[None]:
    """Pause the campaign for the length of the block, or for as long as this process lives.

    Its supervisor lets it go on when nobody pauses it any more.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / PAUSING).open("a")
    except OSError:  # no campaign could have made itself known here
        yield
        return
    with lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_SH)
        signal_group(state, signal.SIGSTOP)
        yield


def _held(lock: Path, kind: int) -> bool:
    """Return whether somebody holds a lock in a way that excludes `kind`."""
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
    early: list[int] = []  # signals that came before the command was there

    def pass_on(number: int, frame: object) -> None:
        if process is None:
            early.append(number)
        else:
            process.send_signal(number)

    with paused(state_folder()):
        signal.signal(signal.SIGINT, lambda number, frame: None)  # the terminal sends it to the command, too
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
