"""Keeps the memory of large temporaries in the process, and gives back what has become of no use there."""

import ctypes
import sys
from functools import cache
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's malloc.h


@cache
def keep_large_allocations() -> None:
    """Tells glibc's malloc to reuse large blocks instead of returning them to the system.

    By default every large temporary is mapped and unmapped anew, and an update spends more time on fresh pages than
    on the arithmetic that fills them. Does nothing where the C library is another.
    """
    set_option = _of_glibc("mallopt")
    if set_option is not None:
        set_option(M_MMAP_MAX, 0)
        set_option(M_TRIM_THRESHOLD, 2**31 - 1)


def return_unused_memory() -> None:
    """Gives all free pages of glibc's heap back to the system, which takes some milliseconds.

    Stored episodes come to lie between large temporaries and outlive them. The holes that are left would add up to
    hundreds of megabytes over a million environment steps.
    """
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
