"""Memory that is freed between longer-lived blocks is returned to the system."""

import ctypes
import subprocess
import sys

import pytest

PROGRAM = """
import os
import numpy as np
from roma.support.system.memory import keep_large_allocations, return_unused_memory

def megabytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

keep_large_allocations()
before = megabytes()
blocks = [(np.ones(100_000), np.ones(1_000)) for _ in range(200)]
small = [pair[1] for pair in blocks]
del blocks
kept = megabytes() - before
return_unused_memory()
print(kept, megabytes() - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc")
def test_holes_between_living_blocks_are_returned():
    output = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True).stdout
    kept, left = map(float, output.split())
    assert kept > 150
    assert left < 20
