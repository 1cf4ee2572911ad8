"""Provenance of a run: code, packages and machine."""

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from roma.support.system import processor
from roma.support.system.tools import ToolError, ask

PACKAGES = ("roma", "torch", "numpy", "scipy", "numba", "llvmlite", "pyarrow", "safetensors")
NOT_OURS = 1  # git's exit status for an untracked file: an installed copy of this package inside another repository


def describe() -> dict[str, Any]:
    """Return facts about the code and the machine: git revision, package versions, processor."""
    revision, dirty = git_revision()
    return {
        "git_revision": revision,
        "git_dirty": dirty,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "cpu": processor.facts().get("model name", platform.processor() or platform.machine()),
        "cpu_family": processor.family(),
        "cpu_count": os.cpu_count(),
        "platform": platform.platform(),
    }


def git_revision() -> tuple[str | None, bool | None]:
    """Return the commit of this package's source, and whether tracked files differ from it.

    Returns:
        (None, None) outside git; also if git fails, after a warning on standard error.
    """
    file = Path(__file__)
    if not any((folder / ".git").exists() for folder in file.parents):
        return None, None

    def git(*arguments: str) -> str:
        return ask(["git", *arguments], file.parent)

    try:
        git("ls-files", "--error-unmatch", file.name)
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except ToolError as error:
        if error.status != NOT_OURS:
            print(f"WARNING: the run's provenance lacks the commit of its code: {error}", file=sys.stderr)
        return None, None


def now() -> str:
    """Return the current time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
