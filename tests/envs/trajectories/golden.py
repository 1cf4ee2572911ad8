"""The file of recorded trajectories: a map's version and the digests of its episodes.

The digest of an episode covers, bit for bit and for every timestep: positions, health, shields, energy and cooldowns of
all units, observations, state, available actions, last actions, reward and how the timestep ended.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from roma.envs.skirmish.versions import VERSIONS
from roma.scenarios import map_names
from tests.envs.trajectories.plays import episode_digests, names_of

FILE = Path(__file__).parents[2] / "golden" / "trajectories.json"
WRITE = "python -m tests.envs.trajectories write"
HOME = "roma/envs/skirmish/versions.py"

Digests = dict[str, list[str]]  # of each play of a map, an entry for each episode


@dataclass(frozen=True, slots=True)
class Record:
    """What is recorded of one map."""

    version: int
    episodes: Digests


def read() -> dict[str, Record]:
    """Return the recorded maps; none where there is no file."""
    if not FILE.exists():
        return {}
    return {name: Record(**record) for name, record in json.loads(FILE.read_text()).items()}


def write(records: Mapping[str, Record]) -> None:
    """Write all maps, a line for each play."""
    maps = []
    for name, record in sorted(records.items()):
        plays = [f"   {json.dumps(play)}: {json.dumps(digests)}" for play, digests in record.episodes.items()]
        joined = ",\n".join(plays)
        maps.append(f' {json.dumps(name)}: {{\n  "version": {record.version},\n  "episodes": {{\n{joined}\n  }}\n }}')
    FILE.write_text("{\n" + ",\n".join(maps) + "\n}\n")


def played(map_name: str) -> Digests:
    """Play everything that belongs to a map."""
    return {name: episode_digests(map_name, name) for name in names_of(map_name)}


def differences(recorded: Digests, found: Digests) -> list[str]:
    """Return which episodes differ, as in `random, episode 3 of 8`; those that only one side has are no difference."""
    return [
        f"{name}, episode {k} of {len(recorded[name])}"
        for name in found
        if name in recorded
        for k, (old, new) in enumerate(zip(recorded[name], found[name], strict=False))
        if old != new
    ]


def problem(map_name: str, record: Record | None, version: int | None, found: Digests) -> str | None:
    """Return what is wrong with a map in one sentence or two, and what to do; None where all is as recorded."""
    if version is None:
        return f"{map_name} has no version: give it version 1 in {HOME} and run: {WRITE}"
    if record is None:
        return f"no trajectories of {map_name} are recorded; run: {WRITE}"
    if version < record.version:
        return f"{map_name} has version {version}, below the recorded {record.version}: a version is only ever raised"
    if version > record.version:
        return f"{map_name} has version {version}, trajectories are recorded of version {record.version}; run: {WRITE}"
    changed = differences(record.episodes, found)
    if changed:
        return (
            f"battles on {map_name} are no longer those of version {version}: {changed[0]} differs, "
            f"{len(changed)} of {sum(map(len, record.episodes.values()))} episodes do. If that is not intended, the "
            f"last change of the engine is wrong. If it is, raise the version of {map_name} in {HOME} to {version + 1} "
            f"and run: {WRITE}"
        )
    if {play: len(found[play]) for play in found} != {play: len(record.episodes[play]) for play in record.episodes}:
        return f"{map_name} is recorded with other plays than it has now; run: {WRITE}"
    return None


def check(map_name: str) -> str | None:
    """Play a map and return what is wrong with it, see `problem`."""
    return problem(map_name, read().get(map_name), VERSIONS.get(map_name), played(map_name))


def update(newly_trained: Collection[str] = ()) -> tuple[list[str], list[str]]:
    """Record maps that are new, whose version was raised, or that have other plays than before.

    Args:
        newly_trained: maps whose trained play was recorded anew.

    Returns:
        What was recorded and what was refused, a sentence for each map. A map of which episodes differ under the same
        version keeps its record.
    """
    records, changes, refusals = read(), [], []
    for map_name in map_names():
        version, record, found = VERSIONS.get(map_name), records.get(map_name), played(map_name)
        if record and map_name in newly_trained:
            record.episodes.pop("trained", None)
        wrong = problem(map_name, record, version, found)
        if version is None or (record and (version < record.version or _differs(record, version, found))):
            refusals.append(str(wrong))
        elif wrong:
            records[map_name] = Record(version, found)
            changes.append(f"{map_name}: version {version}, {sum(map(len, found.values()))} episodes")
    write({name: record for name, record in records.items() if name in map_names()})
    return changes, refusals


def _differs(record: Record, version: int, found: Digests) -> bool:
    return version == record.version and bool(differences(record.episodes, found))
