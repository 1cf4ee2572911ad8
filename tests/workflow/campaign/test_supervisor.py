"""Supervisor of a campaign: its end at a given time, and its lock."""

import os
import signal
import subprocess
import sys

import pytest

from roma.support.errors import UserError
from workflow.campaign import supervisor

PROGRAM = """
import functools, sys, time
from pathlib import Path
from workflow.campaign import pausing, supervisor

folder, state = Path(sys.argv[1]), pausing.state_folder()

class Clock:
    monotonic, sleep = time.monotonic, time.sleep

    def time():
        # Ten minutes before the end, two minutes, and the end.
        return 0.0 if not (folder / "ready").exists() else 480.0 if not (folder / "asked").exists() else 600.0

supervisor.time = Clock
supervisor.end = functools.partial(supervisor.end, seconds=0.2)
sys.exit(supervisor.supervise(sys.argv[2:], folder, state, {}, 600.0))
"""
STUBBORN = """
import signal, sys
from pathlib import Path

folder = Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: (folder / "asked").touch())
(folder / "ready").touch()
while True:
    signal.pause()
"""


def test_at_its_time_the_campaign_ends(tmp_path, state, root):
    """Snakemake gets SIGTERM first, so that it starts no run in the last minutes; here it never ends by itself."""
    environment = os.environ | {supervisor.MARK: str(tmp_path), "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", PROGRAM, tmp_path, sys.executable, "-c", STUBBORN, tmp_path]
    done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 128 + signal.SIGKILL, done.stderr
    assert done.stdout == "no run starts from here on\nall runs were asked to write their checkpoints\n"
    assert supervisor.members(tmp_path) == []


def test_a_state_folder_without_locks_is_refused(state, refuse_locks):
    refuse_locks(state)
    message = f"the file system of {state} has no locks: set XDG_STATE_HOME"
    with pytest.raises(UserError, match=message), supervisor.alone(state):
        pass
