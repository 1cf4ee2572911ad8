"""Keeps the memory of large temporaries in the process."""

import ctypes
import sys
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
LARGEST = 2**30  # bytes; an allocation below it comes from the heap, and the heap's free end stays


@cache
def keep_large_allocations() -> None:
    """Tells glibc's malloc to reuse large blocks instead of returning them to the system.

    By default every large temporary is mapped and unmapped anew, and touching its fresh pages costs an update more
    than the arithmetic on it. Does nothing where the C library is another.
    """
    if sys.platform != "linux":
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(M_MMAP_THRESHOLD, LARGEST)
        set_option(M_TRIM_THRESHOLD, LARGEST)
