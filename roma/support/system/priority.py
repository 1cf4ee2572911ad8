"""The lowest priority for processes that must not disturb others, and the way back.

Nothing here fails: what a kernel or a user's rights lack is left out, and `ionice` says so itself. Where the kernel
groups processes by session (autogroup), `nice` counts only within a session, so that a process needs a session of its
own, whose value is set too.
"""

import os
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

LOWEST = 19


def lower() -> None:
    """Give this process, its session and all processes that it starts the lowest priority for processor and disk."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, LOWEST)
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(LOWEST), encoding="utf-8")
    with suppress(OSError):
        subprocess.run(["ionice", "--class", "idle", "--pid", str(os.getpid())], check=False)


def lift(processes: Iterable[int]) -> None:
    """Give processes and their sessions the usual priority for the processor, as far as the user may."""
    for process in processes:
        with suppress(OSError, AttributeError):
            os.sched_setscheduler(process, os.SCHED_OTHER, os.sched_param(0))
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process, 0)
        with suppress(OSError):
            Path(f"/proc/{process}/autogroup").write_text("0", encoding="utf-8")
