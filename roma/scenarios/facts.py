"""Facts of maps and units, as their files state them. Distances are in map units, times in normal game seconds."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

SIZE = 32  # every map is SIZE x SIZE cells of one map unit
MAX_TYPES = 8  # unit types on one map; the kernel's tables of damage have this width
PLANES = ("air", "ground")
ATTRIBUTES = ("Armored", "Biological", "Light", "Massive", "Mechanical", "Psionic", "Structure")
TERRAIN = ".^#"  # walkable; cliff, passable only for units that climb; blocked
INTERFACES = ("roma", "smac")  # reference code of a map: SMAC, or its fork by ROMA's authors


@dataclass(frozen=True, slots=True)
class Weapon:
    """Weapon of a unit type; ranges are from edge to edge."""

    damage: float
    bonus: dict[str, float]  # extra damage against units with the attribute
    hits: int  # blows of one attack; armour reduces each of them
    hit_delay: float  # between the blows
    cooldown: float
    range: float
    targets: list[str]  # planes that it reaches
    damage_point: float  # from the start of the attack to the (first) blow, during which the attacker stands still
    backswing: float  # after the blow, during which the attacker cannot follow its target; a new order ends it
    missile_speed: float  # 0: the blow lands at once
    splash_radius: float  # 0: one target; otherwise the attacker explodes
    delay: float = 0.0  # from the damage point to the landing of all blows, which nothing prevents
    range_slop: float = 1.0  # a begun attack follows its target this far beyond the range
    sweep: float = 0.0  # length of the line through the target, across the line of fire, on which others are hit, too
    sweep_reach: float = 0.0  # largest distance of a unit's edge from that line


@dataclass(frozen=True, slots=True)
class Heal:
    """Healing ability of a unit type; ranges are from edge to edge."""

    health_per_second: float
    energy_per_health: float
    range: float
    autocast_range: float
    autocast_energy: float  # least energy for healing without an order
    attribute: str  # only units with this attribute can be healed


@dataclass(frozen=True, slots=True)
class Unit:
    """Statistics of one unit type: the values of Wings of Liberty, normal time (16 game loops a second)."""

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
    cooldown_scale: float  # game loops; SMAC's normaliser of the cooldown in the state
    climbs: bool = False  # crosses cliffs and ground units; ground units pass below it


Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Group:
    """Units of one type, created at one point."""

    unit: str
    count: int
    spawn: Point


@dataclass(frozen=True, slots=True)
class Map:
    """One scenario. Groups are in the order in which the map's script creates them."""

    name: str
    aliases: list[str]
    interface: str  # one of INTERFACES
    source_map: str
    episode_limit: int  # timesteps
    ally_types: list[str]  # order of slots and of the one-hot type bits
    enemy_types: list[str]  # order of the one-hot type bits; slots keep the order of creation
    allies: list[Group]
    enemies: list[Group]
    enemy_attack_move: list[Point] | None  # target of the enemies' attack-move: one point, or the ends of a line on
    # which each episode draws a point; None: the enemies have no order
    terrain: list[str]  # first string is the northernmost row, of characters of TERRAIN
    enemies_hunt: bool = False  # enemies attack the nearest agent, at any distance

    @property
    def n_allies(self) -> int:
        """Number of agents."""
        return sum(group.count for group in self.allies)

    @property
    def n_enemies(self) -> int:
        """Number of enemies."""
        return sum(group.count for group in self.enemies)

    @property
    def unit_types(self) -> list[str]:
        """Type of each unit by slot, N names: agents sorted by type, then enemies in order of creation."""
        mine = [group.unit for group in self.allies for _ in range(group.count)]
        theirs = [group.unit for group in self.enemies for _ in range(group.count)]
        return sorted(mine, key=self.ally_types.index) + theirs

    def is_walkable(self, point: Point) -> bool:
        """Return whether the cell of a point is walkable; points outside the map are not."""
        x, y = point
        return 0 <= x < SIZE and 0 <= y < SIZE and self.terrain[SIZE - 1 - int(y)][int(x)] == "."

    def reachable(self, point: Point) -> set[tuple[int, int]]:
        """Return the cells (x, y) that can be reached on foot from a point, including its own."""
        found: set[tuple[int, int]] = set()
        border = [(int(point[0]), int(point[1]))]
        while border:
            x, y = border.pop()
            if (x, y) not in found and self.is_walkable((x, y)):
                found.add((x, y))
                border.extend([(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)])
        return found


def stated(facts: Any) -> Any:
    """Return facts in JSON's types, without fields at their default, so that a field added later changes nothing."""
    if is_dataclass(facts):
        values = {field.name: (getattr(facts, field.name), field.default) for field in fields(facts)}
        return {name: stated(value) for name, (value, default) in values.items() if value != default}
    return [stated(value) for value in facts] if isinstance(facts, list) else facts
