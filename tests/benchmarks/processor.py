"""Processor time of commands."""

import resource


def processor_seconds() -> float:
    """Return the processor time of all child commands so far: their wall-clock time on a machine without other work."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
