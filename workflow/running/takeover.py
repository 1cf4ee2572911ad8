"""Takeover of a working folder from a killed Snakemake."""

import fcntl
from pathlib import Path
from typing import TextIO

STATE = Path(".snakemake")  # Snakemake's state folder, in its working folder
_held: list[TextIO] = []  # files that stay open, and therefore locked, until this process ends


def take_over(state: Path = STATE) -> None:
    """Remove the locks that a killed Snakemake left in its working folder, unless another one is running there.

    Snakemake's own locks are plain files that outlive a killed process; the next call would require `--unlock`. Each
    process that calls this function holds a shared lock on a file beside them until it ends. If no other process holds
    it, Snakemake's locks have no owner. Does nothing if the file system has no locks or is not writable.

    Args:
        state: Snakemake's state folder.
    """
    try:
        state.mkdir(exist_ok=True)
        owners = (state / "owners").open("a")
    except OSError:
        return
    try:
        fcntl.flock(owners, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for lock in (state / "locks").glob("*.lock"):
            lock.unlink(missing_ok=True)
    except OSError:
        pass
    try:
        fcntl.flock(owners, fcntl.LOCK_SH)
    except OSError:
        owners.close()
        return
    _held.append(owners)
