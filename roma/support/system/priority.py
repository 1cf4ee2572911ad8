"""Lowest priority for processes that must not disturb others, and the return to the usual priority.

Nothing here fails: steps that the kernel or the user's rights do not allow are skipped. If the kernel groups processes
by session (autogroup), `nice` has an effect only within the session. Therefore the process needs its own session, and
the priority of the session is set, too.
"""

import os
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

LOWEST = 19


def lower() -> None:
    """Give this process, its session and its future child processes the lowest priority for processor and disk."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, LOWEST)
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(LOWEST), encoding="utf-8")
    with suppress(OSError):
        subprocess.run(["ionice", "--class", "idle", "--pid", str(os.getpid())], check=False)


def lift(processes: Iterable[int]) -> None:
    """Give processes and their sessions the usual processor priority, as far as the user's rights allow."""
    for process in processes:
        with suppress(OSError, AttributeError):
            os.sched_setscheduler(process, os.SCHED_OTHER, os.sched_param(0))
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process, 0)
        with suppress(OSError):
            Path(f"/proc/{process}/autogroup").write_text("0", encoding="utf-8")
