"""Map and unit files: what is wrong with one is said with the file, the field and the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from roma.envs import canonical_map, engine_digest, make, map_names
from roma.envs.skirmish.data import ROOT, Map, Unit, check_map, load_map, load_units, read
from roma.errors import UserError

PAPER_MAPS = [
    "2s3z",
    "5m_vs_6m",
    "8m_vs_9m",
    "10m_vs_11m",
    "27m_vs_30m",
    "MMM2",
    "6z4b",
    "10z5b_vs_2s3z",
    "6s4z_vs_10b30z",
]
VALIDATION_MAPS = [
    "3m",
    "8m",
    "3s5z",
    "MMM",
    "25m",
    "2m_vs_1z",
    "3s_vs_3z",
    "3s_vs_4z",
    "3s_vs_5z",
    "3s5z_vs_3s6z",
    "bane_vs_bane",
    "corridor",
    "so_many_baneling",
]


def altered(tmp_path: Path, source: str, **changes: Any) -> Path:
    """A copy of a data file with some fields changed, or removed where the change is None."""
    content = json.loads((ROOT / source).read_text()) | changes
    file = tmp_path / Path(source).name
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))
    return file


def test_every_map_of_the_paper_is_there() -> None:
    assert sorted(PAPER_MAPS + VALIDATION_MAPS) == sorted(map_names())


def test_alias() -> None:
    assert canonical_map("10z5b_vs_2z3s") == "10z5b_vs_2s3z"
    enemies = {group.unit: group.count for group in load_map("6z4b").enemies}
    assert enemies == {"Zergling": 6, "Baneling": 4}


def test_unknown_map_names_the_nearest() -> None:
    with pytest.raises(UserError, match="MMM2"):
        canonical_map("MM2")


@pytest.mark.parametrize(
    ("source", "kind", "changes", "message"),
    [
        ("units/marine.json", Unit, {"health": -1}, r"marine.json: health: -1 is negative"),
        ("units/marine.json", Unit, {"armor": ...}, r"marine.json: field 'armor' is missing"),
        ("units/marine.json", Unit, {"armour": 0}, r"marine.json: .*armour.*armor"),
        ("units/marine.json", Unit, {"speed": "fast"}, r"marine.json: speed: expected a number, found 'fast'"),
        ("units/marine.json", Unit, {"weapon": 3}, r"marine.json: weapon: expected an object, found 3"),
        ("maps/3m.json", Map, {"episode_limit": 1.5}, r"3m.json: episode_limit: expected a whole number, found 1.5"),
        ("maps/3m.json", Map, {"allies": {}}, r"3m.json: allies: expected a list"),
    ],
)
def test_malformed_file(tmp_path: Path, source: str, kind: type, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(kind, altered(tmp_path, source, **changes))


def group(unit: str, count: int, spawn: list[float]) -> dict[str, Any]:
    return {"allies": [{"unit": unit, "count": count, "spawn": spawn}]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (group("Marinne", 3, [9, 16]), r"allies\[0\]: 'Marinne' is not a known unit \(did you mean 'Marine'"),
        (group("Zealot", 3, [9, 16]), r"allies\[0\]: Zealot has no place among the type bits"),
        (group("Marine", 0, [9, 16]), r"allies\[0\]: count must be at least 1"),
        (group("Marine", 3, [9, 2]), r"allies\[0\]: spawn \[9.*, 2.*\] is not on walkable ground"),
        (group("Marine", 3, [9, -2]), r"allies\[0\]: spawn\[1\]: -2 is negative"),
        ({"terrain": ["." * 32] * 31}, r"terrain must be 32 rows"),
    ],
)
def test_map_that_cannot_be_played(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=rf"^3m\.json: {message}"):
        check_map(read(Map, altered(tmp_path, "maps/3m.json", **changes)), load_units())


def test_engines() -> None:
    assert make("embedded", "3m", 2).digest == engine_digest("embedded")
    with pytest.raises(UserError, match="did you mean 'embedded'"):
        make("embeded", "3m", 1)


@pytest.mark.parametrize(
    ("name", "body", "weapon"),
    [
        # health, shield, armour, speed; damage, hits, cooldown, range, damage point, backswing, missile speed
        ("Marine", (45, 0, 0, 2.25), (6, 1, 0.8608, 5, 0.05, 0.75, 0)),
        ("Marauder", (125, 0, 1, 2.25), (10, 1, 1.5, 6, 0, 0, 20)),
        ("Medivac", (150, 0, 1, 2.75), None),
        ("Stalker", (80, 80, 1, 2.9531), (10, 1, 1.44, 6, 0.167, 0.5, 18.75)),
        ("Zealot", (100, 50, 1, 2.25), (8, 2, 1.2, 0.1, 0, 0.5, 0)),
        ("Zergling", (35, 0, 0, 2.9531), (5, 1, 0.696, 0.1, 0.167, 0.5, 0)),
        ("Baneling", (30, 0, 0, 2.5), (20, 1, 0.833, 0.25, 0, 0.5, 0)),
    ],
)
def test_units_have_their_documented_statistics(
    name: str, body: tuple[float, ...], weapon: tuple[float, ...] | None
) -> None:
    """Liberty's values in normal time; none of them may be tuned."""
    unit = load_units()[name]
    assert (unit.health, unit.shield, unit.armor, unit.speed) == body
    if weapon is None:
        assert unit.weapon is None
    else:
        assert unit.weapon is not None
        fields = ("damage", "hits", "cooldown", "range", "damage_point", "backswing", "missile_speed")
        assert tuple(getattr(unit.weapon, field) for field in fields) == weapon
