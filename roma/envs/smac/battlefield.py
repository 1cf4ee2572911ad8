"""Units, unit types and terrain, with the members of SMAC's class."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roma.envs.skirmish.engine import FLAT
from roma.envs.skirmish.recordings.battle import Battle
from roma.envs.smac.units import Roster, Unit
from roma.envs.starcraft2.names import FIRST_AGENT_TYPE, map_type, unit_number
from roma.scenarios import SIZE, load_map, load_units
from roma.scenarios.actions import FIRST_TARGET, SHOOT_RANGE, SIGHT_RANGE
from roma.scenarios.rows import HEALTH, X, Y

MEDIVAC = unit_number("Medivac")
ANY_COOLDOWN = 15  # game loops; SMAC's value for units without a scale of their own


class Direction(enum.IntEnum):
    """Directions of an agent's move."""

    NORTH = 0
    SOUTH = 1
    EAST = 2
    WEST = 3


class MultiAgentEnv:
    """Empty stand-in for SMAC's base class, for code that refers to it by name."""


def replaced(env: MultiAgentEnv, part: Callable[..., Any]) -> bool:
    """Return whether a subclass or a wrapper of the object has overridden this method."""
    return getattr(getattr(env, part.__name__), "__func__", None) is not part


class Battlefield(MultiAgentEnv):
    """Units, unit types and terrain of the running episode. Distances are in map units."""

    n_actions_no_attack, n_actions_move = FIRST_TARGET, len(Direction)
    n_obs_pathing, n_obs_height = 8, 9  # features, if they are observed
    map_x = map_y = max_distance_x = max_distance_y = SIZE
    marine_id = marauder_id = medivac_id = 0  # numbers of the agents' unit types; 0 if the map has none
    hydralisk_id = zergling_id = baneling_id = 0
    stalker_id = colossus_id = zealot_id = 0

    def __init__(self, battle: Battle) -> None:
        self._battle = battle
        self._scenario = load_map(battle.info.map_name)
        info, rules = battle.info, battle.rules
        self.episode_limit, self.n_actions = info.episode_limit, info.n_actions
        self.n_agents, self.n_enemies = info.n_agents, info.n_enemies
        self.map_type = map_type(self._scenario)
        self.shield_bits_ally, self.shield_bits_enemy = int(rules.ally_shields), int(rules.enemy_shields)
        self.unit_type_bits = rules.ally_types
        shield = ["shield"]
        self.ally_state_attr_names = ["health", "energy/cooldown", "rel_x", "rel_y"] + shield * self.shield_bits_ally
        self.ally_state_attr_names += [f"type_{bit}" for bit in range(rules.ally_types)]
        self.enemy_state_attr_names = ["health", "rel_x", "rel_y"] + shield * self.shield_bits_enemy
        self.enemy_state_attr_names += [f"type_{bit}" for bit in range(rules.enemy_types)]
        for index, name in enumerate(self._scenario.ally_types):
            setattr(self, f"{name.lower()}_id", FIRST_AGENT_TYPE + index)
        self.pathing_grid = rules.walkable.T.copy()  # [x, y]
        self.terrain_height = FLAT.T.copy()
        self._roster = Roster(self._scenario)
        self._units: tuple[dict[int, Unit], dict[int, Unit]] | None = None
        self._episode_steps = 0

    @property
    def agents(self) -> dict[int, Unit]:
        """The agents' units by agent id; empty before the first reset."""
        return self._current()[0]

    @property
    def enemies(self) -> dict[int, Unit]:
        """The enemies by enemy id; empty before the first reset."""
        return self._current()[1]

    @property
    def previous_ally_units(self) -> dict[int, Unit] | None:
        """The agents' units before the last timestep; None right after a reset."""
        return self._roster.units(self._battle.before)[0] if self._episode_steps else None

    @property
    def previous_enemy_units(self) -> dict[int, Unit] | None:
        """The enemies before the last timestep; None right after a reset."""
        return self._roster.units(self._battle.before)[1] if self._episode_steps else None

    @property
    def death_tracker_ally(self) -> NDArray[np.float64]:
        """Dead agents (n_agents,): 1 dead, 0 alive."""
        return self._dead()[: self.n_agents]

    @property
    def death_tracker_enemy(self) -> NDArray[np.float64]:
        """Dead enemies (n_enemies,): 1 dead, 0 alive."""
        return self._dead()[self.n_agents :]

    @property
    def last_action(self) -> NDArray[np.float64]:
        """Each agent's last action, one-hot (n_agents, n_actions); zeros right after a reset."""
        return (self._battle.last_actions[0, :, None] == np.arange(self.n_actions)).astype(np.float64)

    def init_units(self) -> None:
        """Do nothing: the units exist already. `reset` calls it as SMAC does, because subclasses override it."""

    def get_unit_by_id(self, a_id: int) -> Unit:
        """Return an agent's unit."""
        return self.agents[a_id]

    def get_unit_types(self) -> list[int]:
        """Return the type of each unit, agents first."""
        return list(self._roster.unit_types)

    def get_unit_type_id(self, unit: Unit, ally: bool) -> int:
        """Return the index of a unit's type bit. Agents and enemies are numbered separately."""
        if ally:
            return unit.unit_type - FIRST_AGENT_TYPE
        return [unit_number(name) for name in self._scenario.enemy_types].index(unit.unit_type)

    def only_medivac_left(self, ally: bool) -> bool:
        """Return whether a side counts as beaten because only a Medivac is left; False unless the map is of type MMM.

        As in SMAC: for the agents, nobody but Medivacs is alive; for the enemies, exactly one Medivac is alive.
        """
        if self.map_type != "MMM":
            return False
        if ally:
            return not any(unit.health > 0 and unit.unit_type != self.medivac_id for unit in self.agents.values())
        return [unit.unit_type for unit in self.enemies.values() if unit.health > 0] == [MEDIVAC]

    def unit_shoot_range(self, agent_id: int) -> float:
        """Return the distance within which an agent may attack or heal; it is the same for all agents."""
        return SHOOT_RANGE

    def unit_sight_range(self, agent_id: int) -> float:
        """Return the distance within which an agent sees; it is the same for all agents."""
        return SIGHT_RANGE

    def unit_max_cooldown(self, unit: Unit) -> float:
        """Return the divisor of an agent's cooldown (game loops) in SMAC's state, or of a Medivac's energy."""
        if not 0 <= unit.unit_type - FIRST_AGENT_TYPE < len(self._scenario.ally_types):
            return ANY_COOLDOWN
        kind = load_units()[self._scenario.ally_types[unit.unit_type - FIRST_AGENT_TYPE]]
        return kind.energy_max if kind.heal else kind.cooldown_scale

    def unit_max_shield(self, unit: Unit) -> float | None:
        """Return the divisor of a unit's shield in SMAC's state; None for a unit without a shield."""
        return unit.shield_max or None

    @staticmethod
    def distance(x1: float, y1: float, x2: float, y2: float) -> float:
        """Return the distance between two points."""
        return math.hypot(x2 - x1, y2 - y1)

    def check_bounds(self, x: float, y: float) -> bool:
        """Return whether a point is on the map."""
        return 0 <= x < self.map_x and 0 <= y < self.map_y

    def can_move(self, unit: Unit, direction: int) -> bool:
        """Return whether the point half a move away in a `Direction` is walkable, which is SMAC's only condition."""
        half = self._battle.options.move_amount / 2
        dx, dy = ((0, half), (0, -half), (half, 0), (-half, 0))[direction]
        x, y = int(unit.pos.x + dx), int(unit.pos.y + dy)
        return self.check_bounds(x, y) and bool(self.pathing_grid[x, y])

    def get_surrounding_points(self, unit: Unit, include_self: bool = False) -> list[tuple[float, float]]:
        """Return the eight points around a unit whose terrain is observed; with `include_self`, also the unit's own."""
        x, y, way = int(unit.pos.x), int(unit.pos.y), self._battle.options.move_amount
        straight = [(x, y + 2 * way), (x, y - 2 * way), (x + 2 * way, y), (x - 2 * way, y)]
        across = [(x + way, y + way), (x - way, y - way), (x + way, y - way), (x - way, y + way)]
        return straight + across + [(x, y)] * include_self

    def get_surrounding_pathing(self, unit: Unit) -> list[Any]:
        """Return whether each of the surrounding points is walkable; 1 outside the map."""
        return self._terrain(self.pathing_grid, self.get_surrounding_points(unit))

    def get_surrounding_height(self, unit: Unit) -> list[Any]:
        """Return the height of each of the surrounding points and of the unit's own; 1 outside the map."""
        return self._terrain(self.terrain_height, self.get_surrounding_points(unit, include_self=True))

    def get_visibility_matrix(self) -> NDArray[np.bool_]:
        """Return which units each agent sees, (n_agents, n_agents + n_enemies).

        An agent sees another unit if both are alive and the unit is within sight range. An agent does not see itself.
        """
        self._battle.require_begun()
        units = self._battle.snapshots[0]
        alive, places = units[:, HEALTH] > 0, units[:, [X, Y]]
        sight = np.array([self.unit_sight_range(agent) for agent in range(self.n_agents)])
        near = ((places[: self.n_agents, None] - places) ** 2).sum(-1) < sight[:, None] ** 2
        near &= alive[: self.n_agents, None] & alive
        np.fill_diagonal(near, False)
        seen: NDArray[np.bool_] = near
        return seen

    def _terrain(self, grid: NDArray[Any], points: list[tuple[float, float]]) -> list[Any]:
        return [grid[int(x), int(y)] if self.check_bounds(x, y) else 1 for x, y in points]

    def _current(self) -> tuple[dict[int, Unit], dict[int, Unit]]:
        if not self._battle.result:
            return {}, {}
        if self._units is None:
            self._units = self._roster.units(self._battle.snapshots[0])
        return self._units

    def _dead(self) -> NDArray[np.float64]:
        """Return 1 for each dead unit, agents first; all zeros before the first reset."""
        return ((self._battle.snapshots[0, :, HEALTH] <= 0) & bool(self._battle.result)).astype(np.float64)
