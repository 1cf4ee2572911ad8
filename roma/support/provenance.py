"""Where a run came from: enough to judge it, and to make it again."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from roma.support import processor

PACKAGES = ("roma", "torch", "numpy", "scipy", "numba", "llvmlite", "pyarrow", "safetensors")


def describe() -> dict[str, Any]:
    """The code and the machine: git revision, package versions, processor."""
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
    """Commit of this package's source and whether tracked files differ from it; (None, None) outside git."""
    source = Path(__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(source), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # an installed copy may lie inside another repository
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return None, None


def now() -> str:
    """The time, UTC, to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
