"""Keeps the memory of large temporaries in the process."""

import ctypes
import sys
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's malloc.h


@cache
def keep_large_allocations() -> None:
    """Tells glibc's malloc to reuse large blocks instead of returning them to the system.

    By default every large temporary is mapped and unmapped anew, and an update spends more time on fresh pages than
    on the arithmetic that fills them. Does nothing where the C library is another.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is not None:
        set_option(M_MMAP_MAX, 0)
        set_option(M_TRIM_THRESHOLD, 2**31 - 1)
