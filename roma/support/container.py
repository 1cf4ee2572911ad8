"""Container format of all binary files of this project: tensors, JSON facts and a checksum in one safetensors file.

The facts include the kind and the format of the file. They are stored as JSON in the metadata of the header, under
`facts`. The checksum is the SHA-256 of the whole file with 64 zeros in place of the checksum, for every format of every
kind. The same input gives the same bytes.
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

from roma.support.errors import UserError
from roma.support.files import digest

UNSEALED = "0" * 64
RESERVED = ("kind", "format", "sha256")  # facts that the container itself writes


class Kind(NamedTuple):
    """Kind of file.

    Attributes:
        name: Name in the file.
        noun: Name in messages.
        format: Version of the contents; raise it when they change.
    """

    name: str
    noun: str
    format: int


class DamagedError(UserError):
    """File of another kind, or with a content that does not match its checksum."""


def encode(kind: Kind, facts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the content of a file; the same input gives the same bytes.

    Args:
        kind: Kind of the file.
        facts: JSON-able facts, under other names than RESERVED.
        tensors: Arrays by name.
    """
    header = {"kind": kind.name, "format": kind.format, "sha256": UNSEALED, **facts}
    contiguous = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    return _seal(safetensors.numpy.save(contiguous, {"facts": json.dumps(header)}))


def decode(content: bytes, kind: Kind, path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the facts and the tensors of a file's content.

    Args:
        content: Content of the file.
        kind: Kind that the file must have.
        path: Path of the file, for messages.

    Raises:
        DamagedError: The content is of another kind or damaged.
        UserError: The content has another format.
    """
    try:
        facts, tensors = _facts(content), safetensors.numpy.load(content)
    except (ValueError, LookupError, TypeError, struct.error, safetensors.SafetensorError):
        facts = {}
    if not isinstance(facts, dict) or facts.get("kind") != kind.name:
        raise DamagedError(f"{path} is not a {kind.noun} file, or it is damaged")
    checksum = str(facts.get("sha256"))
    if len(checksum) != len(UNSEALED) or _seal(content.replace(checksum.encode(), UNSEALED.encode(), 1)) != content:
        raise DamagedError(f"the {kind.noun} {path} is damaged: its checksum does not fit its content")
    if facts["format"] != kind.format:
        raise UserError(
            f"the {kind.noun} {path} has format {facts['format']}, this version of roma reads {kind.format}"
        )
    return {name: value for name, value in facts.items() if name not in RESERVED}, tensors


def load(path: Path, kind: Kind) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the facts and the tensors of a file.

    Raises:
        DamagedError: The file is of another kind or damaged.
        UserError: The file cannot be read, or has another format.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the {kind.noun} {path}: {error.strerror}") from None
    return decode(content, kind, path)


def _seal(content: bytes) -> bytes:
    """Return the content with its checksum in place of the first 64 zeros, which lie in the header."""
    return content.replace(UNSEALED.encode(), digest(content).encode(), 1)


def _facts(content: bytes) -> Any:
    """Return the JSON in the header of a safetensors file."""
    (header_size,) = struct.unpack("<Q", content[:8])
    return json.loads(json.loads(content[8 : 8 + header_size])["__metadata__"]["facts"])
