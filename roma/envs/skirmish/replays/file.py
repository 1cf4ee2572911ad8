"""The replay file: one recorded battle in one safetensors file, which names its version and carries its own checksum.

Tensors are those named in TENSORS; everything else is JSON in the header's metadata under `facts` (see `Recording`).
Drawing it takes a safetensors reader and no engine. The checksum is the SHA-256 of the whole file with
64 zeros in its place, in this and in every later version.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from roma.envs.skirmish.data import source_digest
from roma.envs.skirmish.replays.battle import Recording, UnitType, play_again
from roma.errors import UserError
from roma.files import digest, write_bytes

KIND = "skirmish replay"
FORMAT = 1  # of the file's contents; raise it when they change
UNSEALED = "0" * 64
TENSORS = ("actions", "rewards", "units", "targets", "role_mean", "role_variance")


def encode(recording: Recording) -> bytes:
    """A recording as the content of a file: the same recording, the same bytes."""
    facts: dict[str, Any] = {"kind": KIND, "format": FORMAT, "sha256": UNSEALED}
    facts |= {name: value for name, value in asdict(recording).items() if name not in TENSORS}
    tensors = {name: np.ascontiguousarray(getattr(recording, name)) for name in TENSORS}
    return seal(safetensors.numpy.save(tensors, {"facts": json.dumps(facts)}))


def seal(content: bytes) -> bytes:
    """The content with its checksum in place of the first 64 zeros, which stand in the header."""
    return content.replace(UNSEALED.encode(), digest(content).encode(), 1)


def save(path: Path, recording: Recording) -> None:
    """Write a replay file, complete or not at all."""
    write_bytes(path, encode(recording))


def load(path: Path) -> Recording:
    """The recording in a file. UserError where it is missing, none of ours, damaged, or of a later version."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the replay {path}: {error.strerror}") from None
    try:
        facts, tensors = _facts(content), safetensors.numpy.load(content)
    except (ValueError, LookupError, TypeError, struct.error, safetensors.SafetensorError):
        facts = {}
    if not isinstance(facts, dict) or facts.get("kind") != KIND:
        raise UserError(f"{path} is not a replay file, or it is damaged")
    checksum = str(facts.get("sha256"))
    if len(checksum) != len(UNSEALED) or seal(content.replace(checksum.encode(), UNSEALED.encode(), 1)) != content:
        raise UserError(f"the replay {path} is damaged: its checksum does not fit its content")
    if facts["format"] != FORMAT:
        raise UserError(f"the replay {path} has format {facts['format']}, this version of roma reads {FORMAT}")
    values: dict[str, Any] = {name: tensors[name] for name in TENSORS}
    values |= {field.name: facts[field.name] for field in fields(Recording) if field.name not in TENSORS}
    values["types"] = {name: UnitType(**statistics) for name, statistics in facts["types"].items()}
    return Recording(**values)


def verify(recording: Recording) -> None:
    """UserError unless the battle, fought again here, is the recorded one bit for bit."""
    if recording.engine_digest != source_digest():
        raise UserError(
            f"the replay was recorded on another engine (digest {recording.engine_digest[:16]}, here "
            f"{source_digest()[:16]}): it can be drawn, but not fought again"
        )
    try:
        again = play_again(recording)
    except ValueError as error:  # an action that was available then is not so now
        raise UserError(f"the recorded battle does not come out here as it was recorded: {error}") from None
    if encode(again) != encode(recording):
        raise UserError("the recorded battle does not come out here as it was recorded")


def _facts(content: bytes) -> dict[str, Any]:
    """The JSON in the header of a safetensors file."""
    (header_size,) = struct.unpack("<Q", content[:8])
    facts: dict[str, Any] = json.loads(json.loads(content[8 : 8 + header_size])["__metadata__"]["facts"])
    return facts
