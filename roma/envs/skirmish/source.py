"""Digest of all files that decide how battles go. Importing this module loads no compiled code."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from pathlib import Path

FILES = {
    "roma.envs.skirmish": ("engine.py", "options.py", "rules.py", "kernel/*.py"),
    "roma.scenarios": ("*.py", "maps/*.json", "units/*.json"),
}


@cache
def source_digest() -> str:
    """Return the SHA-256 (hex) of the engine's source, of the maps and units, and of the code that reads them."""
    digest = hashlib.sha256()
    for package, patterns in FILES.items():
        root = Path(str(resources.files(package)))
        for file in sorted(file for pattern in patterns for file in root.glob(pattern)):
            digest.update(f"{package} {file.relative_to(root).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()
