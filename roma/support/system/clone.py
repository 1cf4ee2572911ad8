"""The clone of the project that a folder is in."""

from pathlib import Path

MARK = Path("workflow", "grid.py")  # the workflow is in clones only: it is never installed


def find_clone(folder: Path) -> Path | None:
    """Return the folder of the clone that a folder is in; None if it is in none."""
    return next((place for place in (folder, *folder.parents) if (place / MARK).exists()), None)
