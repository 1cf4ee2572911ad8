"""Installs the stand-in for SMAC (tests/standin) and a folder that looks like the game's in place of the real ones."""

import json
import os
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from roma.envs.starcraft2 import installation
from roma.envs.starcraft2.names import AUTHORS_MAP_TYPES, unit_number
from roma.scenarios import load_map

STANDIN = Path(__file__).parent / "standin"
MAPS = ("3m", "2s3z", "MMM2", *AUTHORS_MAP_TYPES)
GAME = "#!/bin/sh\necho the game speaks\nexec sleep 1000\n"


@dataclass
class StandIn:
    game: Path  # folder
    faults: Path  # folder of the files that ask for faults

    def ask_for(self, fault: str) -> None:
        (self.faults / fault).touch()


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Install everything that the engine starcraft2 needs below `folder`, with maps and checksums of the stand-in."""
    game, faults = folder / "StarCraftII", folder / "faults"
    executable = game / "Versions" / "Base69232" / "SC2_x64"
    for created in (executable.parent, game / installation.MAPS, faults):
        created.mkdir(parents=True)
    executable.write_text(GAME)
    executable.chmod(0o755)
    digests = {name: write_map(game, name) for name in MAPS}
    rows = [file for file in installation.table() if file.kind != "map" or file.name in digests]
    rows = [replace(file, sha256=digests[file.name]) if file.kind == "map" else file for file in rows]
    monkeypatch.setattr(installation, "table", lambda: tuple(rows))
    monkeypatch.setenv("SC2PATH", str(game))
    monkeypatch.setenv("STANDIN_FAULTS", str(faults))
    monkeypatch.syspath_prepend(str(STANDIN))  # workers inherit this process's path
    return StandIn(game, faults)


def write_map(game: Path, name: str) -> str:
    """Write the stand-in's file of a map; return its digest."""
    scenario = load_map(name)
    slots = sorted(scenario.allies, key=lambda group: scenario.ally_types.index(group.unit))
    content = {
        "allies": [unit_number(group.unit) for group in slots for _ in range(group.count)],
        "ally_types": [unit_number(unit) for unit in scenario.ally_types],
        "enemies": [unit_number(group.unit) for group in scenario.enemies for _ in range(group.count)],
    }
    path = installation.map_path(game, name)
    path.write_text(json.dumps(content))
    return installation.digest_of(path)


def left_of(workers: Collection[int], seconds: float = 30) -> list[int]:
    """Return the living processes of these workers' sessions (worker, guardian and game) after a while.

    `Worker.stop` waits until they have closed their files; they end a moment later.
    """
    deadline = time.monotonic() + seconds
    while True:
        living = [pid for pid, (_, session, alive) in _all_processes().items() if session in workers and alive]
        if not living or time.monotonic() > deadline:
            return living
        time.sleep(0.02)


def descendants(mark: str) -> list[int]:
    """Return the living processes whose environment or command contains a text, such as the folder of a test."""
    found = []
    for pid, (_, _, alive) in _all_processes().items():
        try:
            known = Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if alive and pid != os.getpid() and mark.encode() in known:
            found.append(pid)
    return found


def _all_processes() -> dict[int, tuple[int, int, bool]]:
    """Return {process: (parent, session, whether it is more than a zombie)}."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(path.parent.name)] = (int(fields[1]), int(fields[3]), fields[0] not in "ZX")
    return found
