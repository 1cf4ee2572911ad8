"""Files of recordings: one recorded episode in one `roma.support.container`, which carries its own checksum.

The arrays named in TENSORS are tensors; all other fields of a `Recording` are facts. A safetensors reader is enough to
draw one: no engine is needed.
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from roma.envs import recorded_engine_version
from roma.envs.registry import EMBEDDED, STARCRAFT2
from roma.envs.skirmish.recordings.battle import Recording, UnitType, resimulate
from roma.envs.skirmish.versions import version_of
from roma.scenarios import map_names
from roma.support import container
from roma.support.errors import UserError
from roma.support.files import write_bytes

KIND = container.Kind("skirmish replay", "recording", format=1)  # files carry the first name, messages the second
TENSORS = ("actions", "rewards", "units", "targets", "role_mean", "role_variance")


def encode(recording: Recording) -> bytes:
    """Return the content of a recording's file. Equal recordings give equal bytes."""
    facts = {name: value for name, value in asdict(recording).items() if name not in TENSORS}
    return container.encode(KIND, facts, {name: getattr(recording, name) for name in TENSORS})


def save(path: Path, recording: Recording) -> None:
    """Write a recording's file, completely or not at all."""
    write_bytes(path, encode(recording))


def load(path: Path) -> Recording:
    """Return the recording in a file.

    Raises:
        UserError: The file is missing, is not a recording, is damaged, or has another format.
    """
    facts, tensors = container.load(path, KIND)
    if "engine_version" not in facts:  # an earlier revision: it wrote no engine, and no `choices` for games
        facts |= {
            "engine": EMBEDDED if facts["choices"] else STARCRAFT2,
            "engine_version": recorded_engine_version(facts),
        }
    values: dict[str, Any] = {name: tensors[name] for name in TENSORS}
    values |= {field.name: facts[field.name] for field in fields(Recording) if field.name not in TENSORS}
    values["types"] = {name: UnitType(**statistics) for name, statistics in facts["types"].items()}
    return Recording(**values)


def can_be_resimulated(recording: Recording) -> bool:
    """Return whether the recording was made on the embedded engine, at the current version of its map."""
    return recording.engine == EMBEDDED and recording.engine_version == _version_here(recording)


def _version_here(recording: Recording) -> str:
    """Return the current version of the recording's map on the embedded engine; `none` if there is no such map."""
    return version_of(recording.map_name) if recording.map_name in map_names() else "none"


def verify(recording: Recording) -> None:
    """Re-simulate a recording and compare the two bit for bit; sources of the engine may differ.

    Raises:
        UserError: The recording cannot be re-simulated here, or the re-simulation differs from it.
    """
    if not can_be_resimulated(recording):
        raise UserError(
            f"the recording is of the {recording.engine} engine, version {recording.engine_version} of "
            f"{recording.map_name} (here: {EMBEDDED}, {_version_here(recording)}): it can be drawn but not re-simulated"
        )
    try:
        again = resimulate(recording)
    except ValueError as error:  # a recorded action is not available here
        raise UserError(f"the re-simulated episode differs from the recording: {error}") from None
    if encode(again) != encode(replace(recording, engine_digest=again.engine_digest)):
        raise UserError("the re-simulated episode differs from the recording")
