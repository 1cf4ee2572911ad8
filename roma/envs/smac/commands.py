"""Agents' actions: their conversion to integers, and to the commands that SMAC sends to the game."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roma.envs.smac.observations import Observations
from roma.envs.smac.units import Unit
from roma.scenarios.actions import NOTHING, STOP

MOVE_ABILITY, ATTACK_ABILITY, STOP_ABILITY, HEAL_ABILITY = 16, 23, 4, 386  # the game's numbers
WAYS = ((0, 1), (0, -1), (1, 0), (-1, 0))  # north, south, east, west


def action_numbers(actions: Iterable[Any]) -> Sequence[int] | NDArray[np.integer]:
    """Return actions as integers.

    Args:
        actions: For each agent an integer, a whole float, a NumPy or torch scalar, or an array or list of one of these.

    Raises:
        ValueError: An action is something else; the message names the agent.
    """
    if isinstance(actions, np.ndarray) and actions.ndim == 1 and actions.dtype.kind in "iu":
        return actions
    return [action if type(action) is int else _number(agent, action) for agent, action in enumerate(actions)]


def _number(agent: int, action: Any) -> int:
    value = action
    while isinstance(value, list | tuple) and len(value) == 1:
        (value,) = value
    if hasattr(value, "item"):
        with suppress(RuntimeError, ValueError):  # raised for arrays of several numbers
            value = value.item()
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
        raise ValueError(f"the action of agent {agent} is {action!r}, not a whole number")
    return int(value)


class Commands(Observations):
    """Commands behind the actions, in the form of the game's messages. No game receives them."""

    heuristic_targets: list[int | None]  # each agent's last target under the scripted policy

    def get_agent_action(self, a_id: int, action: int) -> SimpleNamespace | None:
        """Return the command of an agent's action; None for a dead agent's no-op.

        Raises:
            ValueError: The action is not available.
        """
        if not self.get_avail_agent_actions(a_id)[action]:
            raise ValueError(f"action {action} is not available to agent {a_id}")
        unit, moves = self.get_unit_by_id(a_id), self.n_actions_no_attack - self.n_actions_move
        if action == NOTHING:
            return None
        if action == STOP:
            return _command(STOP_ABILITY, unit)
        if action >= self.n_actions_no_attack:
            return self._aim(unit, action - self.n_actions_no_attack)
        dx, dy = WAYS[action - moves]
        way = self._battle.options.move_amount
        place = SimpleNamespace(x=unit.pos.x + way * dx, y=unit.pos.y + way * dy)
        return _command(MOVE_ABILITY, unit, target_world_space_pos=place)

    def get_agent_action_heuristic(self, a_id: int, action: int) -> tuple[SimpleNamespace | None, int]:
        """Return SMAC's scripted command for an agent and the equivalent action; (None, 0) without a target.

        A unit attacks the enemy that was nearest when its last target died. A Medivac chooses whom it heals in the same
        way. `action` is ignored, as in SMAC.
        """
        unit, healer = self.get_unit_by_id(a_id), self._heals(self.get_unit_by_id(a_id))
        fit = {
            slot: other
            for slot, other in (self.agents if healer else self.enemies).items()
            if other.health > 0 and not (healer and (self._heals(other) or other.health == other.health_max))
        }
        if self.heuristic_targets[a_id] not in fit:
            distances = {
                slot: self.distance(unit.pos.x, unit.pos.y, other.pos.x, other.pos.y) for slot, other in fit.items()
            }
            self.heuristic_targets[a_id] = min(distances, key=distances.__getitem__, default=None)
        target = self.heuristic_targets[a_id]
        return (None, NOTHING) if target is None else (self._aim(unit, target), target + self.n_actions_no_attack)

    def _heals(self, unit: Unit) -> bool:
        return unit.unit_type == self.medivac_id

    def _aim(self, unit: Unit, target: int) -> SimpleNamespace:
        if self._heals(unit):
            return _command(HEAL_ABILITY, unit, target_unit_tag=self.agents[target].tag)
        return _command(ATTACK_ABILITY, unit, target_unit_tag=self.enemies[target].tag)


def _command(ability: int, unit: Unit, **target: Any) -> SimpleNamespace:
    order = SimpleNamespace(ability_id=ability, unit_tags=[unit.tag], queue_command=False, **target)
    return SimpleNamespace(action_raw=SimpleNamespace(unit_command=order))
