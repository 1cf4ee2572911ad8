"""What may be set: SMAC's option arguments that touch observations, state and reward, and what the game leaves open."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from roma.support.settings import ANY, AT_LEAST_ONE, POSITIVE, SHARE, Bound, Settings, setting

_choice = partial(setting, source="engine embedded")
_option = partial(setting, source="SMAC's StarCraft2Env", bound=ANY)


@dataclass(frozen=True, slots=True)
class Choices(Settings):
    """How battles go where StarCraft II is closed: fitted to published play, so that a claim can be tried under others.

    README.md here says what each was fitted to and gives a low and a high setting. Raises UserError out of bounds.
    """

    acquire_range: float = _choice(
        5.0, "least range, edge to edge, in which marching enemies look for a target; 5 is documented"
    )
    notice_range: float = _choice(
        8.0, "the same for enemies on guard: those who have arrived, or were never sent anywhere"
    )
    look_every: int = _choice(
        6, "game loops between two looks around by a unit that has nobody in weapon range", bound=AT_LEAST_ONE
    )
    reaction: int = _choice(
        4, "most game loops from the death of its target until a unit looks for another", bound=AT_LEAST_ONE
    )
    prefer_attackers: bool = _choice(False, "enemies choose units with an order to attack before passers-by")
    splash_edge: float = _choice(
        0.5, "part of a target's radius that splash needs to reach: 1 its edge, 0 its centre", bound=SHARE
    )
    backswing: float = _choice(
        0.0, "fraction of the documented backswing that holds back a unit that chases a living target", bound=SHARE
    )
    formation_gap: float = _choice(0.03, "distance between the edges of neighbours when an army is created")
    formation_breadth: float = _choice(
        3.0, "breadth of an army over its depth, when it is created", bound=Bound(1 / 8, 8)
    )
    keep_formation: bool = _choice(True, "each enemy marches to its place in the formation; false: all to one point")
    patience: int = _choice(0, "game loops that a hemmed-in unit waits before it tries to move again")


DEFAULT_CHOICES = Choices()


@dataclass(frozen=True, slots=True)
class EnvOptions(Settings):
    """SMAC's names and defaults (interface of `StarCraft2Env.__init__`). Raises UserError out of bounds."""

    move_amount: float = _option(
        2, "map units that a move order covers; half of it is probed for availability", bound=POSITIVE
    )
    continuing_episode: bool = _option(False, "a time-out is reported as `episode_limit` in info")
    obs_all_health: bool = _option(True, "health and shield of others are observed")
    obs_own_health: bool = _option(True, "own health and shield are observed (always, while obs_all_health)")
    obs_last_action: bool = _option(False, "last actions of allies in sight are observed")
    obs_pathing_grid: bool = _option(False, "whether the ground around the agent is walkable is observed")
    obs_terrain_height: bool = _option(False, "the height of the ground around the agent is observed")
    obs_instead_of_state: bool = _option(False, "the state is all observations side by side")
    obs_timestep_number: bool = _option(False, "the timestep, as part of the episode limit, is observed")
    state_last_action: bool = _option(True, "the state has the last actions of all agents")
    state_timestep_number: bool = _option(False, "the state has the timestep, as part of the episode limit")
    reward_sparse: bool = _option(False, "the reward is 1 for a win, -1 for a defeat, else 0")
    reward_only_positive: bool = _option(True, "the reward leaves out the damage that agents suffer")
    reward_death_value: float = _option(10, "reward for a dead enemy")
    reward_win: float = _option(200, "reward for a win")
    reward_defeat: float = _option(0, "reward for a defeat")
    reward_negative_scale: float = _option(0.5, "weight of the damage that agents suffer")
    reward_scale: bool = _option(True, "rewards are divided by the largest return over reward_scale_rate")
    reward_scale_rate: float = _option(20, "largest return with reward_scale", bound=POSITIVE)

    def compiled(self) -> CompiledOptions:
        """The same values with one fixed type each, so that the kernel is compiled once."""
        values = [getattr(self, field) for field in CompiledOptions._fields]
        return CompiledOptions._make(v if isinstance(v, bool) else float(v) for v in values)


class CompiledOptions(NamedTuple):
    """`EnvOptions` as the kernel reads them; same fields, same order."""

    move_amount: float
    continuing_episode: bool
    obs_all_health: bool
    obs_own_health: bool
    obs_last_action: bool
    obs_pathing_grid: bool
    obs_terrain_height: bool
    obs_instead_of_state: bool
    obs_timestep_number: bool
    state_last_action: bool
    state_timestep_number: bool
    reward_sparse: bool
    reward_only_positive: bool
    reward_death_value: float
    reward_win: float
    reward_defeat: float
    reward_negative_scale: float
    reward_scale: bool
    reward_scale_rate: float
