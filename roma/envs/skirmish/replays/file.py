"""The replay file: one recorded battle in one file of roma.sealed, which carries its own checksum.

Tensors are those named in TENSORS; everything else stands among the facts (see `Recording`). Drawing it takes a
safetensors reader and no engine.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from roma import sealed
from roma.envs.skirmish.replays.battle import Recording, UnitType, play_again
from roma.envs.skirmish.source import source_digest
from roma.errors import UserError
from roma.files import write_bytes

KIND = sealed.Kind("skirmish replay", "replay", format=1)
TENSORS = ("actions", "rewards", "units", "targets", "role_mean", "role_variance")


def encode(recording: Recording) -> bytes:
    """A recording as the content of a file: the same recording, the same bytes."""
    facts = {name: value for name, value in asdict(recording).items() if name not in TENSORS}
    return sealed.encode(KIND, facts, {name: getattr(recording, name) for name in TENSORS})


def save(path: Path, recording: Recording) -> None:
    """Write a replay file, complete or not at all."""
    write_bytes(path, encode(recording))


def load(path: Path) -> Recording:
    """The recording in a file. UserError where it is missing, none of ours, damaged, or of another version."""
    facts, tensors = sealed.load(path, KIND)
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
