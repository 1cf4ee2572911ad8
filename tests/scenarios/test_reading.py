"""Map and unit files: a mistake gives one line with file, field, value and valid values."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from roma.scenarios import Map, Unit, canonical_map, load_map, load_units, map_names, names
from roma.scenarios.checks import check_map, check_unit
from roma.scenarios.facts import stated
from roma.scenarios.reading import ROOT, read
from roma.support.errors import UserError

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
FURTHER_MAPS = [  # of SMAC, so that all its 23 are there
    "3m",
    "8m",
    "25m",
    "MMM",
    "3s5z",
    "3s5z_vs_3s6z",
    "3s_vs_3z",
    "3s_vs_4z",
    "3s_vs_5z",
    "2m_vs_1z",
    "so_many_baneling",
    "bane_vs_bane",
    "corridor",
    "6h_vs_8z",
    "1c3s5z",
    "2c_vs_64zg",
    "2s_vs_1sc",
]


def altered(tmp_path: Path, source: str, changes: dict[str, Any]) -> Path:
    """Write a copy of a data file with some fields changed ("weapon.damage" lies in weapon), or removed if `...`."""
    content = json.loads((ROOT / source).read_text())
    for name, value in changes.items():
        *within, field = name.split(".")
        place = content[within[0]] if within else content
        place[field] = value
        if value is ...:
            del place[field]
    file = tmp_path / Path(source).name
    file.write_text(json.dumps(content))
    return file


def test_every_map_of_the_paper_is_there() -> None:
    assert sorted(PAPER_MAPS + FURTHER_MAPS) == map_names()
    assert sum(load_map(name).interface == "smac" for name in map_names()) == 23


COMPOSITIONS = {
    "10m_vs_11m": ({"Marine": 10}, {"Marine": 11}),
    "MMM2": ({"Medivac": 1, "Marauder": 2, "Marine": 7}, {"Medivac": 1, "Marauder": 3, "Marine": 8}),
    "6z4b": ({"Zergling": 6, "Baneling": 4}, {"Zergling": 6, "Baneling": 4}),
    "6s4z_vs_10b30z": ({"Stalker": 6, "Zealot": 4}, {"Baneling": 10, "Zergling": 30}),
    "10z5b_vs_2s3z": ({"Zergling": 10, "Baneling": 5}, {"Zealot": 2, "Stalker": 3}),
}


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_the_papers_unit_compositions(name: str) -> None:
    scenario = load_map(name)
    allies, enemies = scenario.unit_types[: scenario.n_allies], scenario.unit_types[scenario.n_allies :]
    assert (Counter(allies), Counter(enemies)) == COMPOSITIONS[name]


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("10z5b_vs_2z3s", "10z5b_vs_2s3z"),
        ("zb_vs_sz", "10z5b_vs_2s3z"),  # this and the following: the authors' archives
        ("bane_vs_bane1", "6z4b"),
        ("sz_vs_zb", "6s4z_vs_10b30z"),
    ],
)
def test_alias(alias: str, name: str) -> None:
    assert canonical_map(alias) == canonical_map(name) == name


def test_the_files_say_what_they_are_about() -> None:
    enemies = {group.unit: group.count for group in load_map("6z4b").enemies}
    assert enemies == {"Zergling": 6, "Baneling": 4}


def test_an_alias_that_is_taken_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_names", lambda: ("3m", "10z5b_vs_2z3s", "10z5b_vs_2s3z"))
    monkeypatch.setattr(names, "load_map", lambda name: load_map("10z5b_vs_2s3z" if name.startswith("10") else name))
    with pytest.raises(UserError, match=r"aliases: '10z5b_vs_2z3s' already names the map 10z5b_vs_2z3s"):
        names._canonical.__wrapped__()


def test_unknown_map_names_the_nearest() -> None:
    with pytest.raises(UserError, match="MMM2"):
        canonical_map("MM2")


def test_units_by_slot() -> None:
    """Agents are sorted by type, enemies keep the order of creation."""
    assert load_map("6z4b").unit_types == ["Baneling"] * 4 + ["Zergling"] * 6 + ["Zergling"] * 6 + ["Baneling"] * 4
    assert (load_map("MMM2").n_allies, load_map("MMM2").n_enemies) == (10, 12)


@pytest.mark.parametrize("name", ["6s4z_vs_10b30z", "corridor", "3m"])
def test_reachable_cells(name: str) -> None:
    """All cells that can be walked on, but on 6s4z_vs_10b30z: a corridor between plateaus."""
    scenario = load_map(name)
    everywhere = {(x, y) for x in range(32) for y in range(32) if scenario.is_walkable((x, y))}
    reached = scenario.reachable(scenario.allies[0].spawn)
    assert reached == everywhere if name != "6s4z_vs_10b30z" else reached < everywhere
    assert scenario.reachable((-1, 40)) == set()


def test_facts_are_had_without_an_engine() -> None:
    """Maps, units and names need no compiled code, and the analysis needs no engine."""
    program = [
        "import importlib, pkgutil, sys",
        "import analysis, roma.scenarios",
        "roma.scenarios.canonical_map('3m')",
        "def load(package):",
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):",
        "        if not module.name.endswith('__main__'):",
        "            importlib.import_module(module.name)",
        "load(roma.scenarios)",
        "compiled = [name for name in sys.modules if name.split('.')[0] == 'numba']",
        "load(analysis)",
        "assert 'analysis.measures.milestones' in sys.modules and 'roma.scenarios.rows' in sys.modules",
        "print(compiled + [name for name in sys.modules if 'skirmish' in name])",
    ]
    found = subprocess.run([sys.executable, "-c", "\n".join(program)], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


@pytest.mark.parametrize(
    ("source", "kind", "changes", "message"),
    [
        ("units/marine.json", Unit, {"health": -1}, r"health: -1 is negative"),
        ("units/marine.json", Unit, {"health": float("nan")}, r"health: nan is not finite"),
        ("units/marine.json", Unit, {"speed": float("inf")}, r"speed: inf is not finite"),
        ("units/marine.json", Unit, {"speed": True}, r"speed: expected a number, found True"),
        ("units/marine.json", Unit, {"armor": ...}, r"field 'armor' is missing"),
        ("units/marine.json", Unit, {"armour": 0}, r"'armour' is not a known field \(did you mean 'armor'"),
        ("units/marine.json", Unit, {"speed": "fast"}, r"speed: expected a number, found 'fast'"),
        ("units/marine.json", Unit, {"weapon": 3}, r"weapon: expected an object, found 3"),
        ("units/marine.json", Unit, {"weapon.bonus": []}, r"weapon: bonus: expected an object, found \[\]"),
        ("units/marine.json", Unit, {"plane": 1}, r"plane: expected a text, found 1"),
        ("units/marine.json", Unit, {"climbs": 1}, r"climbs: expected true or false, found 1"),
        ("maps/3m.json", Map, {"episode_limit": 1.5}, r"episode_limit: expected a whole number, found 1.5"),
        ("maps/3m.json", Map, {"episode_limit": float("inf")}, r"episode_limit: inf is not finite"),
        ("maps/3m.json", Map, {"allies": {}}, r"allies: expected a list"),
        ("maps/3m.json", Map, {"enemy_attack_move": [9, 16]}, r"enemy_attack_move\[0\]: expected a list of 2, found 9"),
        (
            "maps/3m.json",
            Map,
            {"enemy_attack_move": [[9]]},
            r"enemy_attack_move\[0\]: expected a list of 2, found \[9\]",
        ),
    ],
)
def test_malformed_file(tmp_path: Path, source: str, kind: type, changes: dict[str, Any], message: str) -> None:
    file = altered(tmp_path, source, changes)
    with pytest.raises(UserError, match=rf"^{file.name}: {message}[^\n]*$"):
        read(kind, file)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "cannot be read"), ('{"name": "3m", "name": "8m"}', "field 'name' is given twice")],
)
def test_unreadable_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "3m.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read(Map, tmp_path / "3m.json")
    with pytest.raises(UserError, match="cannot be read"):
        read(Map, tmp_path / "4m.json")


@pytest.mark.parametrize(
    ("source", "changes", "message"),
    [
        ("marine", {"name": "Soldier"}, r"name: 'Soldier' belongs in a file soldier.json"),
        ("marine", {"health": 0}, r"health: 0 must be above 0"),
        ("marine", {"radius": 0}, r"radius: 0 must be above 0"),
        ("marine", {"separation_radius": 0}, r"separation_radius: 0 must be above 0"),
        ("marine", {"acceleration": 0}, r"acceleration: 0 must be above 0"),
        ("marine", {"cooldown_scale": 0}, r"cooldown_scale: 0 must be above 0"),
        ("marine", {"plane": "sea"}, r"plane: 'sea' is not a known plane; known: air, ground"),
        ("marine", {"attributes": ["Lihgt"]}, r"attributes: 'Lihgt' is not a known attribute \(did you mean 'Light'"),
        ("marine", {"weapon.damage": 0}, r"weapon: damage: 0 must be above 0"),
        ("marine", {"weapon.hits": 0}, r"weapon: hits: 0 must be above 0"),
        ("marine", {"weapon.hits": 2}, r"weapon: hit_delay: 0 must be above 0"),
        ("marine", {"weapon.cooldown": 0}, r"weapon: cooldown: 0 must be above 0"),
        ("marine", {"weapon.damage_point": 0.9}, r"weapon: damage_point: 0.9 is not below cooldown, 0.8608"),
        ("marine", {"weapon.targets": []}, r"weapon: targets: must name at least one of air, ground"),
        ("marine", {"weapon.targets": ["sea"]}, r"weapon: targets: 'sea' is not a known plane"),
        ("marine", {"weapon.bonus": {"Heavy": 3}}, r"weapon: bonus: 'Heavy' is not a known attribute"),
        *(
            (
                name,
                {"weapon.splash_radius": 1},
                r"weapon: splash_radius: .* hits must be 1, and missile_speed, delay, sweep must be 0",
            )
            for name in ("zealot", "stalker", "spinecrawler")
        ),
        ("marine", {"weapon.splash_radius": 1, "weapon.sweep": 1}, r"weapon: splash_radius: beside it hits must be 1"),
        ("stalker", {"weapon.delay": 0.1}, r"weapon: delay: missile_speed and hit_delay must be 0"),
        ("zealot", {"weapon.delay": 0.1}, r"weapon: delay: missile_speed and hit_delay must be 0"),
        ("marine", {"weapon.delay": 0.82}, r"weapon: damage_point \+ delay: 0.87 is not below cooldown, 0.8608"),
        ("medivac", {"climbs": True}, r"climbs: true, but the plane is air; only units of plane ground climb"),
        ("medivac", {"energy_start": 201}, r"energy_start: 201 is above energy_max, 200"),
        ("medivac", {"energy_start": 0, "energy_max": 0}, r"energy_max: 0 must be above 0"),
        ("medivac", {"heal.health_per_second": 0}, r"heal: health_per_second: 0 must be above 0"),
        ("medivac", {"heal.energy_per_health": 0}, r"heal: energy_per_health: 0 must be above 0"),
        ("medivac", {"heal.autocast_energy": 300}, r"heal: autocast_energy: 300 is above energy_max, 200"),
        ("medivac", {"heal.attribute": "Alive"}, r"heal: attribute: 'Alive' is not a known attribute"),
    ],
)
def test_unit_that_cannot_be_played(tmp_path: Path, source: str, changes: dict[str, Any], message: str) -> None:
    file = altered(tmp_path, f"units/{source}.json", changes)
    with pytest.raises(UserError, match=rf"^{source}\.json: {message}[^\n]*$"):
        check_unit(read(Unit, file), file.name)


def test_a_healer_has_no_weapon(tmp_path: Path) -> None:
    weapon = json.loads((ROOT / "units" / "marine.json").read_text())["weapon"]
    file = altered(tmp_path, "units/medivac.json", {"weapon": weapon})
    with pytest.raises(UserError, match=r"^medivac\.json: weapon, heal: Medivac has both; one of them must be null$"):
        check_unit(read(Unit, file), file.name)


def group(unit: str, count: int, spawn: tuple[float, float] = (9, 16)) -> dict[str, Any]:
    return {"unit": unit, "count": count, "spawn": list(spawn)}


def side(name: str, *groups: dict[str, Any]) -> dict[str, Any]:
    """Fields of a side that consists of these groups."""
    types = {"allies": "ally_types", "enemies": "enemy_types"}[name]
    return {name: list(groups), types: list(dict.fromkeys(each["unit"] for each in groups))}


def ground(*blocked_rows: int) -> list[str]:
    """Terrain that is open but for some rows (from the south)."""
    return ["#" * 32 if 31 - row in blocked_rows else "." * 32 for row in range(32)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "4m"}, r"name: '4m' belongs in a file 4m.json"),
        ({"interface": "smack"}, r"interface: 'smack' is not a known interface \(did you mean 'smac'"),
        ({"episode_limit": 0}, r"episode_limit: 0 must be above 0"),
        ({"terrain": ground()[1:]}, r"terrain: must be 32 rows of 32 characters '.', '\^' or '#'"),
        ({"terrain": [*ground()[1:], "." * 31 + "x"]}, r"terrain: must be 32 rows of 32 characters '.', '\^' or '#'"),
        (side("allies", group("Marinne", 3)), r"allies\[0\]: 'Marinne' is not a known unit \(did you mean 'Marine'"),
        ({"allies": [group("Zealot", 3)]}, r"allies\[0\]: unit: Zealot is not among ally_types: Marine"),
        (side("allies", group("Marine", 0)), r"allies\[0\]: count: 0 must be above 0"),
        (side("allies", group("Marine", 3, (9, 2))), r"allies\[0\]: spawn: \[9, 2\] is not on walkable ground"),
        (side("enemies", group("Marine", 3, (32, 16))), r"enemies\[0\]: spawn: \[32, 16\] is not on walkable ground"),
        (
            {"ally_types": ["Marine", "Zealot"]},
            r"ally_types: Zealot has no unit on this side; valid",
        ),
        ({"enemy_types": ["Marine", "Marine"]}, r"enemy_types: Marine is listed twice; valid: each of Marine once"),
        ({"allies": [], "ally_types": []}, r"allies: no unit can fight; at least one unit must have no heal"),
        (side("enemies", group("Medivac", 1)), r"enemies: no unit can fight"),
        (
            side("allies", group("Stalker", 2), group("Medivac", 1)),
            r"allies: Medivac heals Biological units, but its side has none",
        ),
        (side("enemies", group("Marine", 123)), r"enemies: 123 units, at most 122 can be targets of actions"),
        ({"enemies_hunt": True}, r"enemies_hunt: true excludes enemy_attack_move; valid: one of them"),
        ({"enemy_attack_move": []}, r"enemy_attack_move: 0 points; valid: null, one or two"),
        ({"enemy_attack_move": 3 * [[9, 16]]}, r"enemy_attack_move: 3 points; valid: null, one or two"),
        ({"enemy_attack_move": [[9, 7]]}, r"enemy_attack_move\[0\]: \[9, 7\] is not on walkable ground"),
        ({"enemy_attack_move": [[9, 16], [9, 99]]}, r"enemy_attack_move\[1\]: \[9, 99\] is not on walkable ground"),
        (
            {"terrain": ground(8), "enemy_attack_move": [[9, 3]]},
            r"enemy_attack_move\[0\]: \[9, 3\] cannot be reached on foot from enemies\[0\], whose spawn is \[23, 16\]",
        ),
        (
            side("allies", group("Marine", 6), group("Medivac", 2)),
            r"allies: no action tells a Medivac to heal the Marine in slot 5: SMAC has one target action for each of 3 "
            r"enemies; valid: 6 or more",
        ),
    ],
)
def test_map_that_cannot_be_played(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    file = altered(tmp_path, "maps/3m.json", changes)
    with pytest.raises(UserError, match=rf"^3m\.json: {message}[^\n]*$"):
        check_map(read(Map, file), load_units(), file.name)


@pytest.mark.parametrize(
    "changes",
    [
        side("allies", group("Marine", 3), group("Medivac", 2)),  # slots 0 to 2 are healed, 3 and 4 heal
        side("enemies", group("Medivac", 1, (23, 16)), group("Marine", 1, (23, 16))),
        {"enemy_attack_move": None, "terrain": ground(12)},
    ],
)
def test_map_that_can_be_played(tmp_path: Path, changes: dict[str, Any]) -> None:
    file = altered(tmp_path, "maps/3m.json", changes)
    check_map(read(Map, file), load_units(), file.name)


def test_a_field_with_a_default_may_be_missing_and_says_nothing(tmp_path: Path) -> None:
    """Custom files, and the versions of custom maps, stay valid when fields with defaults are added."""
    silent = read(Unit, ROOT / "units" / "marine.json")
    outspoken = {"weapon.delay": 0, "weapon.range_slop": 1, "weapon.sweep": 0, "climbs": False}
    assert read(Unit, altered(tmp_path, "units/marine.json", outspoken)) == silent
    written = json.loads((ROOT / "units" / "marine.json").read_text())
    assert stated(silent) == written
    assert stated(read(Unit, altered(tmp_path, "units/marine.json", {"climbs": True}))) == written | {"climbs": True}
    assert json.loads(json.dumps(stated(load_map("3m")))) == json.loads((ROOT / "maps" / "3m.json").read_text())


def test_there_are_not_more_types_than_a_unit_can_tell_apart(tmp_path: Path) -> None:
    marine = load_units()["Marine"]
    units = {f"Marine{number}": marine for number in range(9)}
    file = altered(tmp_path, "maps/3m.json", side("allies", *(group(name, 1) for name in units)))
    with pytest.raises(UserError, match=r"^3m\.json: ally_types, enemy_types: 10 unit types, at most 8 can be played$"):
        check_map(read(Map, file), units | {"Marine": marine}, file.name)
