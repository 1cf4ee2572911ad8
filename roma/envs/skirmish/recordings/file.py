"""The replay file: one recorded battle in one file of roma.support.container, which carries its own checksum.

Tensors are those named in TENSORS; everything else stands among the facts (see `Recording`). Drawing it takes a
safetensors reader and no engine.
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from roma.envs import recorded_engine_version
from roma.envs.registry import EMBEDDED, STARCRAFT2
from roma.envs.skirmish.recordings.battle import Recording, UnitType, play_again
from roma.envs.skirmish.versions import version_of
from roma.scenarios import map_names
from roma.support import container
from roma.support.errors import UserError
from roma.support.files import write_bytes

KIND = container.Kind("skirmish replay", "replay", format=1)
TENSORS = ("actions", "rewards", "units", "targets", "role_mean", "role_variance")


def encode(recording: Recording) -> bytes:
    """A recording as the content of a file: the same recording, the same bytes."""
    facts = {name: value for name, value in asdict(recording).items() if name not in TENSORS}
    return container.encode(KIND, facts, {name: getattr(recording, name) for name in TENSORS})


def save(path: Path, recording: Recording) -> None:
    """Write a replay file, complete or not at all."""
    write_bytes(path, encode(recording))


def load(path: Path) -> Recording:
    """The recording in a file. UserError where it is missing, none of ours, damaged, or of another version."""
    facts, tensors = container.load(path, KIND)
    if "engine_version" not in facts:  # written before there were versions; games had no settings of ours
        facts |= {
            "engine": EMBEDDED if facts["choices"] else STARCRAFT2,
            "engine_version": recorded_engine_version(facts),
        }
    values: dict[str, Any] = {name: tensors[name] for name in TENSORS}
    values |= {field.name: facts[field.name] for field in fields(Recording) if field.name not in TENSORS}
    values["types"] = {name: UnitType(**statistics) for name, statistics in facts["types"].items()}
    return Recording(**values)


def can_be_played_again(recording: Recording) -> bool:
    """Whether this engine has the version of the map on which the recording was made."""
    return recording.engine == EMBEDDED and recording.engine_version == _version_here(recording)


def _version_here(recording: Recording) -> str:
    """The version of the recording's map on this engine; `none` where there is no such map."""
    return version_of(recording.map_name) if recording.map_name in map_names() else "none"


def verify(recording: Recording) -> None:
    """UserError unless the battle, fought again here, is the recorded one bit for bit."""
    if not can_be_played_again(recording):
        raise UserError(
            f"the replay is of the {recording.engine} engine, version {recording.engine_version} of "
            f"{recording.map_name} (here: {EMBEDDED}, {_version_here(recording)}): it can be drawn, not played again"
        )
    try:
        again = play_again(recording)
    except ValueError as error:  # an action that was available then is not so now
        raise UserError(f"the recorded battle does not come out here as it was recorded: {error}") from None
    if encode(again) != encode(replace(recording, engine_digest=again.engine_digest)):
        raise UserError("the recorded battle does not come out here as it was recorded")
