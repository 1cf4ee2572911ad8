"""Maps and units as they stand in their files. Distances are in map units, times in normal game seconds."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

SIZE = 32  # every map is SIZE x SIZE cells of one map unit
MAX_TYPES = 8  # unit types on one map: each unit holds its damage against each
PLANES = ("air", "ground")
ATTRIBUTES = ("Armored", "Biological", "Light", "Massive", "Mechanical", "Psionic", "Structure")
TERRAIN = ".^#"  # walkable; a cliff, which only units that climb get over; blocked
INTERFACES = ("roma", "smac")  # whose code is a map's reference: SMAC's, or that of the authors' fork of it


@dataclass(frozen=True, slots=True)
class Weapon:
    """A weapon; ranges are from edge to edge."""

    damage: float
    bonus: dict[str, float]  # extra damage against units with the attribute
    hits: int  # blows of one attack, the armour counts against each
    hit_delay: float  # between the blows
    cooldown: float
    range: float
    targets: list[str]  # planes it reaches
    damage_point: float  # from the start of the attack to the (first) blow; the attacker stands still
    backswing: float  # after the blow, before it can follow its target; a new order breaks it off
    missile_speed: float  # 0: the blow lands at once
    splash_radius: float  # 0: one target; otherwise the attacker blows itself up
    delay: float = 0.0  # from the damage point to the moment at which all blows land together, whatever happens
    range_slop: float = 1.0  # how far beyond the range a begun attack follows its target
    sweep: float = 0.0  # length of the line across the line of fire on which others are struck as the target is
    sweep_reach: float = 0.0  # how near to that line an edge must be


@dataclass(frozen=True, slots=True)
class Heal:
    """What a healer can do; ranges are from edge to edge."""

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
    cooldown_scale: float  # game loops by which SMAC divides the cooldown in its state: a normaliser, not the cooldown
    climbs: bool = False  # gets over cliffs, and over ground units, who pass below it


Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Group:
    """Units of one type that are created at one point."""

    unit: str
    count: int
    spawn: Point


@dataclass(frozen=True, slots=True)
class Map:
    """One scenario. Groups stand in the order in which the map's script creates them."""

    name: str
    aliases: list[str]
    interface: str  # one of INTERFACES
    source_map: str
    episode_limit: int  # timesteps
    ally_types: list[str]  # order of slots and of the one-hot type bits
    enemy_types: list[str]  # order of the one-hot type bits; slots keep the order of creation
    allies: list[Group]
    enemies: list[Group]
    enemy_attack_move: list[Point] | None  # target of the enemies' order: a point, or the ends of a line on which a
    # point is drawn anew in each episode; None: they wait where they stand
    terrain: list[str]  # first string is the northernmost row, of characters of TERRAIN
    enemies_hunt: bool = False  # enemies are ordered to kill the agents, and find the nearest over any distance

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
        """Return whether the cell under a point can be walked on; points outside the map cannot."""
        x, y = point
        return 0 <= x < SIZE and 0 <= y < SIZE and self.terrain[SIZE - 1 - int(y)][int(x)] == "."

    def reachable(self, point: Point) -> set[tuple[int, int]]:
        """Return the cells (x, y) that are connected on foot with the one under a point, itself included."""
        found: set[tuple[int, int]] = set()
        border = [(int(point[0]), int(point[1]))]
        while border:
            x, y = border.pop()
            if (x, y) not in found and self.is_walkable((x, y)):
                found.add((x, y))
                border.extend([(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)])
        return found


def stated(facts: Any) -> Any:
    """Return facts as JSON has them, without fields at their default: a field that is added later changes nothing."""
    if is_dataclass(facts):
        values = {field.name: (getattr(facts, field.name), field.default) for field in fields(facts)}
        return {name: stated(value) for name, (value, default) in values.items() if value != default}
    return [stated(value) for value in facts] if isinstance(facts, list) else facts
