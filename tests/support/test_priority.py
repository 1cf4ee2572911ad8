"""The lowest priority, and the way back."""

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, os
from pathlib import Path
from roma.support import priority

def found():
    group = Path("/proc/self/autogroup")
    return {
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "scheduler": os.sched_getscheduler(0),
        "group": group.read_text().split()[-1] if group.exists() else None,
    }

priority.lower()
low = found()
priority.lift([os.getpid()])
print(json.dumps([low, found()]))
"""


def test_the_lowest_priority_and_back():
    """A session of its own: the test's keeps its priority."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], text=True, capture_output=True, check=True, start_new_session=True
    )
    low, lifted = json.loads(done.stdout)
    grouped = Path("/proc/self/autogroup").exists()
    assert low == {"nice": 19, "scheduler": os.SCHED_IDLE, "group": "19" if grouped else None}
    assert lifted["group"] == ("0" if grouped else None)
    if os.geteuid() == 0:
        assert (lifted["nice"], lifted["scheduler"]) == (0, os.SCHED_OTHER)


def test_what_the_system_lacks_is_left_out(monkeypatch):
    from roma.support import priority

    def refuse(*arguments, **options):
        raise PermissionError

    for place, name in ((os, "setpriority"), (os, "sched_setscheduler"), (Path, "write_text"), (subprocess, "run")):
        monkeypatch.setattr(place, name, refuse)
    priority.lower()
    priority.lift([os.getpid()])
