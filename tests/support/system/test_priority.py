"""Lowest priority, and the return to the usual one."""

import json
import os
import subprocess
import sys
from pathlib import Path

# Prints the values of a process at the lowest and again at the usual priority, and those that the system permits.
PROGRAM = """
import json, os
from pathlib import Path
from roma.support import priority

GROUP = Path("/proc/self/autogroup")

def found():
    group = GROUP.read_text().split()[-1] if GROUP.exists() else None
    return {"nice": os.getpriority(os.PRIO_PROCESS, 0), "scheduler": os.sched_getscheduler(0), "group": group}

def permitted(nice, scheduler):
    means = {
        "nice": lambda: os.setpriority(os.PRIO_PROCESS, 0, nice),
        "scheduler": lambda: os.sched_setscheduler(0, scheduler, os.sched_param(0)),
        # Twice: to some users a second write soon after another is refused, whoever's that was.
        "group": lambda: [os.lstat(GROUP), GROUP.write_text(str(nice)), GROUP.write_text(str(nice))],
    }
    names = []
    for name, use in means.items():
        try:
            use()
            names.append(name)
        except OSError:
            pass
    return names

steps = []
for change, wanted in (
    (priority.lower, (19, os.SCHED_IDLE)),
    (lambda: priority.lift([os.getpid()]), (0, os.SCHED_OTHER)),
):
    change()
    steps.append([found(), permitted(*wanted)])
print(json.dumps(steps))
"""


def test_the_lowest_priority_and_back():
    """Runs in a separate session, so that the test keeps its priority. Systems permit different parts of the change."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], text=True, capture_output=True, check=True, start_new_session=True
    )
    (low, lowered), (usual, lifted) = json.loads(done.stdout)
    assert {"nice", "scheduler"} <= set(lowered)  # every user may lower a priority
    wanted = {"nice": 19, "scheduler": os.SCHED_IDLE, "group": "19"}
    assert {name: low[name] for name in lowered} == {name: wanted[name] for name in lowered}
    wanted = {"nice": 0, "scheduler": os.SCHED_OTHER, "group": "0"}
    assert {name: usual[name] for name in lifted} == {name: wanted[name] for name in lifted}


def test_what_the_system_lacks_is_left_out(monkeypatch):
    from roma.support.system import priority

    def refuse(*arguments, **options):
        raise PermissionError

    for place, name in ((os, "setpriority"), (os, "sched_setscheduler"), (Path, "write_text"), (subprocess, "run")):
        monkeypatch.setattr(place, name, refuse)
    priority.lower()
    priority.lift([os.getpid()])
