"""Settings of the engine: SMAC's options for observations, state and reward, and the engine's own choices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from roma.support.schemas.settings import ANY, AT_LEAST_ONE, POSITIVE, SHARE, Bound, Settings, setting

_choice = partial(setting, source="engine embedded")
_option = partial(setting, source="SMAC's StarCraft2Env", bound=ANY)


@dataclass(frozen=True, slots=True)
class Choices(Settings):
    """Rules of battle that StarCraft II does not publish: settings, so that a claim can be tested under others.

    The defaults were fitted to released runs of the game. This folder's README.md states what each was fitted to, and a
    low and a high value.

    Raises:
        UserError: A value is out of bounds.
    """

    acquire_range: float = _choice(
        5.0, "least range, edge to edge, within which marching enemies look for a target; 5 is documented"
    )
    notice_range: float = _choice(
        8.0, "like acquire_range, for enemies on guard: they have arrived or have no attack-move"
    )
    look_every: int = _choice(
        6, "game loops between two searches for a target by a unit with no target in weapon range", bound=AT_LEAST_ONE
    )
    reaction: int = _choice(
        4, "most game loops until a unit whose target has died searches for another", bound=AT_LEAST_ONE
    )
    prefer_attackers: bool = _choice(False, "enemies prefer targets that have an order to attack")
    splash_edge: float = _choice(
        0.5, "fraction of a target's radius that splash must reach: 1 its edge, 0 its centre", bound=SHARE
    )
    backswing: float = _choice(
        0.0, "fraction of the documented backswing during which a unit cannot follow a living target", bound=SHARE
    )
    formation_gap: float = _choice(0.03, "distance between the edges of neighbouring units when an army is created")
    formation_breadth: float = _choice(
        3.0, "ratio of an army's breadth to its depth when it is created", bound=Bound(1 / 8, 8)
    )
    keep_formation: bool = _choice(True, "each enemy marches to its place in the formation; false: all to one point")
    patience: int = _choice(0, "game loops that a fully blocked unit waits before it tries to move again")


DEFAULT_CHOICES = Choices()


@dataclass(frozen=True, slots=True)
class EnvOptions(Settings):
    """SMAC's options, with the names and defaults of `StarCraft2Env.__init__`.

    Raises:
        UserError: A value is out of bounds.
    """

    move_amount: float = _option(
        2, "length of a move in map units; availability is tested at half this length", bound=POSITIVE
    )
    continuing_episode: bool = _option(False, "a time-out is reported as `episode_limit` in info")
    obs_all_health: bool = _option(True, "health and shield of others are observed")
    obs_own_health: bool = _option(True, "own health and shield are observed (always with obs_all_health)")
    obs_last_action: bool = _option(False, "last actions of allies in sight are observed")
    obs_pathing_grid: bool = _option(False, "walkability of the ground around the agent is observed")
    obs_terrain_height: bool = _option(False, "height of the ground around the agent is observed")
    obs_instead_of_state: bool = _option(False, "the state is the concatenation of all observations")
    obs_timestep_number: bool = _option(False, "the timestep, as a fraction of the episode limit, is observed")
    state_last_action: bool = _option(True, "the state includes the last actions of all agents")
    state_timestep_number: bool = _option(False, "the state includes the timestep, as a fraction of the episode limit")
    reward_sparse: bool = _option(False, "the reward is 1 for a win, -1 for a defeat, else 0")
    reward_only_positive: bool = _option(True, "the reward ignores damage to agents")
    reward_death_value: float = _option(10, "reward for a dead enemy")
    reward_win: float = _option(200, "reward for a win")
    reward_defeat: float = _option(0, "reward for a defeat")
    reward_negative_scale: float = _option(0.5, "weight of damage to agents")
    reward_scale: bool = _option(True, "rewards are divided by (largest return / reward_scale_rate)")
    reward_scale_rate: float = _option(20, "largest return under reward_scale", bound=POSITIVE)

    def compiled(self) -> CompiledOptions:
        """Return the same values with one fixed type each, so that the kernel is compiled only once."""
        values = [getattr(self, field) for field in CompiledOptions._fields]
        return CompiledOptions._make(v if isinstance(v, bool) else float(v) for v in values)


class CompiledOptions(NamedTuple):
    """`EnvOptions` for the kernel: the same fields in the same order."""

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
