"""Options of glibc's allocator: keep the memory of large temporaries, and return memory that is no longer used."""

import ctypes
import sys
from functools import cache
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's malloc.h


@cache
def keep_large_allocations() -> None:
    """Make glibc's malloc reuse large blocks instead of returning them to the system.

    By default, every large temporary is mapped and unmapped, and an update spends more time on fresh pages than on the
    arithmetic that fills them. Does nothing with other C libraries.
    """
    set_option = _of_glibc("mallopt")
    if set_option is not None:
        set_option(M_MMAP_MAX, 0)
        set_option(M_TRIM_THRESHOLD, 2**31 - 1)


def return_unused_memory() -> None:
    """Return all free pages of glibc's heap to the system, in a few milliseconds.

    Stored episodes are allocated between large temporaries and outlive them. The gaps that remain would add up to
    hundreds of megabytes over a million environment steps.
    """
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
