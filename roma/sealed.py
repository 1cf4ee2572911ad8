"""Safetensors files that name their kind and version and carry their own checksum, so that no damage goes unnoticed.

Beside the tensors stands JSON in the header's metadata under `facts`. The checksum is the SHA-256 of the whole file
with 64 zeros in its place, in every version of every kind.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from roma.errors import UserError
from roma.files import digest

UNSEALED = "0" * 64


class Kind(NamedTuple):
    """A kind of file."""

    name: str  # as the file says it
    noun: str  # as messages say it
    format: int  # of the contents; to be raised when they change


def encode(kind: Kind, facts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """The content of a file: the same input, the same bytes."""
    header = {"kind": kind.name, "format": kind.format, "sha256": UNSEALED, **facts}
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    return _seal(safetensors.numpy.save(contiguous, {"facts": json.dumps(header)}))


def load(path: Path, kind: Kind) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Facts and tensors of a file. UserError where it is missing, of another kind, damaged, or of another version."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the {kind.noun} {path}: {error.strerror}") from None
    try:
        facts, tensors = _facts(content), safetensors.numpy.load(content)
    except (ValueError, LookupError, TypeError, struct.error, safetensors.SafetensorError):
        facts = {}
    if not isinstance(facts, dict) or facts.get("kind") != kind.name:
        raise UserError(f"{path} is not a {kind.noun} file, or it is damaged")
    checksum = str(facts.get("sha256"))
    if len(checksum) != len(UNSEALED) or _seal(content.replace(checksum.encode(), UNSEALED.encode(), 1)) != content:
        raise UserError(f"the {kind.noun} {path} is damaged: its checksum does not fit its content")
    if facts["format"] != kind.format:
        raise UserError(
            f"the {kind.noun} {path} has format {facts['format']}, this version of roma reads {kind.format}"
        )
    return facts, tensors


def _seal(content: bytes) -> bytes:
    """The content with its checksum in place of the first 64 zeros, which stand in the header."""
    return content.replace(UNSEALED.encode(), digest(content).encode(), 1)


def _facts(content: bytes) -> Any:
    """The JSON in the header of a safetensors file."""
    (header_size,) = struct.unpack("<Q", content[:8])
    return json.loads(json.loads(content[8 : 8 + header_size])["__metadata__"]["facts"])
