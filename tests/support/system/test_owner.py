"""Processes that end with the process that started them."""

import os
import select
import signal
import subprocess
import sys

import pytest

from roma.support.system import owner

CHILD = """
import signal
from roma.support.system.owner import end_with_owner
end_with_owner()
print("ready", flush=True)
while True:
    signal.pause()
"""
OWNER = f"""
import os, subprocess, sys
from roma.support import owner
environment = {{**os.environ, owner.VARIABLE: owner.mark()}}
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], env=environment, stdout=subprocess.PIPE, text=True)
print(child.stdout.readline(), child.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_ends_with_its_owner_however_that_one_ended(number):
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout.readline() == "ready\n"
        child = os.pidfd_open(int(first.stdout.readline()))
        first.send_signal(number)
    ended = select.poll()
    ended.register(child, select.POLLIN)
    ended.poll()  # no time limit: if the child does not end, the test runs into the time limit of all tests
    os.close(child)


def test_a_process_whose_owner_is_gone_does_not_begin():
    gone = subprocess.Popen(["true"])
    gone.wait()
    _, _, namespace = owner.mark().partition(" ")
    environment = {**os.environ, owner.VARIABLE: f"{gone.pid} {namespace}"}
    child = subprocess.run([sys.executable, "-c", CHILD], env=environment, stdout=subprocess.PIPE, check=False)
    assert (child.returncode, child.stdout) == (-signal.SIGTERM, b"")


@pytest.mark.parametrize("mark", ["", "4194304 pid:[another]", "nonsense"])
def test_no_owner_that_can_be_seen_no_end(monkeypatch, mark):
    monkeypatch.setenv(owner.VARIABLE, mark)
    owner.end_with_owner()
