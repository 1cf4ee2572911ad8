"""Units in SMAC's form, with those fields of the game's unit messages that SMAC's users read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roma.envs.starcraft2.names import FIRST_AGENT_TYPE, unit_number
from roma.scenarios import Map, load_units


class Position(NamedTuple):
    """A place on the map, in map units."""

    x: float
    y: float
    z: float = 0.0


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit at one moment. A dead unit has health 0 and keeps its last position."""

    tag: int
    owner: int  # 1 the agents' side, 2 the enemies'
    unit_type: int  # agents: a number of the map's own, in the order of the type bits; enemies: the game's number
    health_max: float
    shield_max: float
    energy_max: float
    pos: Position
    health: float
    shield: float
    energy: float
    weapon_cooldown: float  # game loops

    @property
    def alliance(self) -> int:
        """Alliance as in the game's interface: 1 own, 4 enemy."""
        return 1 if self.owner == 1 else 4


class Roster:
    """Constant facts about the units of a map, by slot, agents first."""

    def __init__(self, scenario: Map) -> None:
        self.n_agents = scenario.n_allies
        types = load_units()
        self.unit_types: list[int] = []
        self._constants = []
        for slot, name in enumerate(scenario.unit_types):
            mine = slot < self.n_agents
            number = FIRST_AGENT_TYPE + scenario.ally_types.index(name) if mine else unit_number(name)
            self.unit_types.append(number)
            points = types[name].health, types[name].shield, types[name].energy_max
            self._constants.append((slot + 1, 1 if mine else 2, number, *points))

    def units(self, rows: NDArray[np.float64]) -> tuple[dict[int, Unit], dict[int, Unit]]:
        """Return the agents and the enemies of a snapshot (N, 6), each by id."""
        units = [
            Unit(*constants, Position(x, y), max(health, 0.0), shield, energy, cooldown)
            for constants, (x, y, health, shield, energy, cooldown) in zip(self._constants, rows.tolist(), strict=True)
        ]
        return dict(enumerate(units[: self.n_agents])), dict(enumerate(units[self.n_agents :]))
