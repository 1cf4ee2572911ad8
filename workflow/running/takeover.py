"""Takeover of a working folder from a killed Snakemake."""

import fcntl
import os
import sys
from pathlib import Path
from typing import TextIO

STATE = Path(".snakemake")  # Snakemake's state folder, in its working folder
_held: list[TextIO] = []  # files that stay open, and therefore locked, until this process ends


def take_over(state: Path = STATE) -> None:
    """Remove the locks that a killed Snakemake left in its working folder, unless another one is running there.

    Snakemake's own locks are plain files that outlive a killed process; the next call would require `--unlock`. Each
    process that calls this function holds a shared lock on a file beside them until it ends, and adds its number to the
    file. If no other process holds it, Snakemake's locks have no owner. Otherwise the other processes are named on
    standard error, because a workflow may live on without its terminal. Does nothing if the file system has no locks or
    is not writable.

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
        owners.truncate(0)
    except BlockingIOError:
        _name_others(state / "owners")
    except OSError:
        pass
    try:
        fcntl.flock(owners, fcntl.LOCK_SH)
        owners.write(f"{os.getpid()}\n")
        owners.flush()
    except OSError:
        owners.close()
        return
    _held.append(owners)


def _name_others(owners: Path) -> None:
    """Print which other processes work in the folder, as far as they are on this machine."""
    written = {word for word in owners.read_text(encoding="utf-8").split() if word != str(os.getpid())}
    if living := " ".join(sorted(word for word in written if Path("/proc", word).exists())):
        print(
            f"WARNING: Snakemake already works in this folder (process {living}), maybe without a terminal. "
            f"If the folder cannot be locked, wait until it ends, or end it: kill {living}",
            file=sys.stderr,
        )
