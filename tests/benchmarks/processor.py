"""Processor time of commands."""

import resource


def processor_seconds() -> float:
    """Of all commands so far: what they take by the clock, one after the other, where nothing else runs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
