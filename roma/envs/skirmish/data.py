"""Maps and units as data: one small JSON file each, read and checked here. No compiled code is loaded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_type_hints

from roma.errors import UserError, unknown

ROOT = Path(str(resources.files("roma.envs.skirmish")))
RULE_MODULES = ("data", "engine", "kernel/*", "options", "rules")  # the source that decides how a battle goes
SIZE = 32  # every map is SIZE x SIZE cells of one map unit


@dataclass(frozen=True, slots=True)
class Weapon:
    """Times in normal game seconds, distances in map units, ranges edge to edge."""

    damage: float
    bonus: dict[str, float]  # extra damage against units with the attribute
    hits: int  # blows of one attack, the armour counts against each
    hit_delay: float  # between the blows
    cooldown: float
    range: float
    targets: list[str]  # planes it reaches: ground, air
    damage_point: float  # from the start of the attack to the (first) blow; the attacker stands still
    backswing: float  # after the blow, before it can follow its target; a new order breaks it off
    missile_speed: float  # 0: the blow lands at once
    splash_radius: float  # 0: one target; otherwise the attacker blows itself up


@dataclass(frozen=True, slots=True)
class Heal:
    health_per_second: float
    energy_per_health: float
    range: float
    autocast_range: float
    autocast_energy: float  # least energy with which a heal is begun without an order
    attribute: str  # only units with it can be healed


@dataclass(frozen=True, slots=True)
class Unit:
    """Statistics of one unit type: Liberty values, normal time (16 game loops a second)."""

    name: str
    health: float
    shield: float
    armor: float
    attributes: list[str]
    plane: str
    speed: float
    acceleration: float
    radius: float
    separation_radius: float
    sight: float
    health_regeneration: float
    shield_regeneration: float
    shield_regeneration_delay: float
    energy_start: float
    energy_max: float
    energy_regeneration: float
    weapon: Weapon | None
    heal: Heal | None
    cooldown_scale: (
        float  # game loops by which SMAC divides the cooldown in its state; a normaliser, not the real cooldown
    )


@dataclass(frozen=True, slots=True)
class Group:
    unit: str
    count: int
    spawn: list[float]


@dataclass(frozen=True, slots=True)
class Map:
    """One scenario. Groups stand in the order in which the map's script creates them."""

    name: str
    aliases: list[str]
    interface: str  # whose code is the interface's reference: smac, or the authors' fork of it, roma
    source_map: str
    episode_limit: int  # timesteps
    ally_types: list[str]  # order of slots and of the one-hot type bits
    enemy_types: list[str]  # order of the one-hot type bits; slots keep the order of creation
    allies: list[Group]
    enemies: list[Group]
    enemy_attack_move: list[float] | None  # where the enemies are ordered to; None: they wait where they stand
    terrain: list[str]  # first string is the northernmost row; '.' walkable, '#' blocked


def _build(kind: Any, value: Any, where: str) -> Any:
    """`value` as the dataclass, list or number `kind` names; UserError says which field of which file is wrong."""
    if isinstance(kind, UnionType):
        if value is None:
            return None
        return _build(next(k for k in get_args(kind) if k is not type(None)), value, where)
    if hasattr(kind, "__dataclass_fields__"):
        if not isinstance(value, dict):
            raise UserError(f"{where}: expected an object, found {value!r}")
        names = [field.name for field in fields(kind)]
        for name in value:
            if name not in names:
                raise UserError(f"{where}: {unknown('field', name, names)}")
        for name in names:
            if name not in value:
                raise UserError(f"{where}: field {name!r} is missing")
        hints = get_type_hints(kind)
        return kind(**{name: _build(hints[name], value[name], f"{where}: {name}") for name in names})
    if getattr(kind, "__origin__", None) is list:
        if not isinstance(value, list):
            raise UserError(f"{where}: expected a list, found {value!r}")
        return [_build(get_args(kind)[0], item, f"{where}[{i}]") for i, item in enumerate(value)]
    if getattr(kind, "__origin__", None) is dict:
        if not isinstance(value, dict):
            raise UserError(f"{where}: expected an object, found {value!r}")
        return {str(key): _build(get_args(kind)[1], item, f"{where}.{key}") for key, item in value.items()}
    if kind is str:
        if not isinstance(value, str):
            raise UserError(f"{where}: expected a text, found {value!r}")
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or (kind is int and value != int(value)):
        raise UserError(f"{where}: expected {'a whole number' if kind is int else 'a number'}, found {value!r}")
    if value < 0:
        raise UserError(f"{where}: {value} is negative")
    return kind(value)


def read(kind: type, file: Path) -> Any:
    """One unit or map file as a checked dataclass."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read: {error}") from error
    return _build(kind, value, file.name)


def check_map(scenario: Map, units: dict[str, Unit]) -> None:
    """UserError unless every unit is known, every spawn walkable and the terrain complete."""
    where = f"{scenario.name}.json"
    if len(scenario.terrain) != SIZE or any(len(row) != SIZE or set(row) - set(".#") for row in scenario.terrain):
        raise UserError(f"{where}: terrain must be {SIZE} rows of {SIZE} characters '.' or '#'")
    for side, groups, types in (
        ("allies", scenario.allies, scenario.ally_types),
        ("enemies", scenario.enemies, scenario.enemy_types),
    ):
        for i, group in enumerate(groups):
            if group.unit not in units:
                raise UserError(f"{where}: {side}[{i}]: {unknown('unit', group.unit, sorted(units))}")
            if group.unit not in types:
                raise UserError(f"{where}: {side}[{i}]: {group.unit} has no place among the type bits {types}")
            if group.count < 1:
                raise UserError(f"{where}: {side}[{i}]: count must be at least 1")
            if not walkable(scenario, *group.spawn):
                raise UserError(f"{where}: {side}[{i}]: spawn {group.spawn} is not on walkable ground")


def walkable(scenario: Map, x: float, y: float) -> bool:
    """Whether the cell under a point can be walked on."""
    return 0 <= x < SIZE and 0 <= y < SIZE and scenario.terrain[SIZE - 1 - int(y)][int(x)] == "."


@cache
def load_units() -> dict[str, Unit]:
    """All unit types by name."""
    found = [read(Unit, file) for file in sorted((ROOT / "units").glob("*.json"))]
    return {unit.name: unit for unit in found}


@cache
def load_map(name: str) -> Map:
    """The map of that canonical name, checked."""
    scenario: Map = read(Map, ROOT / "maps" / f"{name}.json")
    check_map(scenario, load_units())
    return scenario


MAP_NAMES = tuple(sorted(file.stem for file in (ROOT / "maps").glob("*.json")))
ALIASES = {alias: name for name in MAP_NAMES for alias in (name, *load_map(name).aliases)}


@cache
def source_digest() -> str:
    """SHA-256 over everything that decides how a battle goes: the engine's source and its data files."""
    digest = hashlib.sha256()
    sources = (file for name in RULE_MODULES for file in ROOT.glob(f"{name}.py"))
    for file in sorted([*sources, *ROOT.glob("*/*.json")]):
        digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()
