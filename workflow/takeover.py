"""Taking over the folder of a Snakemake that was killed."""

import fcntl
from pathlib import Path
from typing import TextIO

STATE = Path(".snakemake")  # Snakemake's own folder, in its working folder
_held: list[TextIO] = []  # open, and thereby locked, for as long as this process lives


def take_over(state: Path = STATE) -> None:
    """Remove the locks that a killed Snakemake left in its working folder, unless another one is alive there.

    Snakemake's own locks are plain files that outlive it; it would ask for `--unlock`. Each process that calls this
    holds a shared lock on a file beside them, which its death releases: where nobody else holds it, those files are of
    no living process. Where the file system knows no locks, or nothing can be written, all is left as it is.
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
