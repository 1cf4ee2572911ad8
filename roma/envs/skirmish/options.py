"""What may be set: SMAC's option arguments that touch observations, state and reward, and what the game leaves open."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import NamedTuple

from roma.support.errors import UserError


@dataclass(frozen=True, slots=True)
class Choices:
    """How battles go where StarCraft II is closed: fitted to published play, so that a claim can be tried under others.

    README.md here says what each was fitted to and gives a low and a high setting. Raises UserError out of bounds.
    """

    acquire_range: float = 5.0  # least range, edge to edge, in which enemies look for a target; 5 is documented
    notice_range: float = 8.0  # the same for enemies on guard: those who have arrived, or were never sent anywhere
    look_every: int = 6  # loops between two looks around by a unit that has nobody in weapon range
    reaction: int = 4  # loops from the death of its target until a unit looks for another at the latest
    prefer_attackers: bool = False  # enemies choose units with an order to attack before passers-by
    splash_edge: float = 0.5  # part of a target's radius that splash needs to reach: 1 its edge, 0 its centre
    backswing: float = 0.0  # fraction of the documented backswing that holds back who chases a living target
    formation_gap: float = 0.03  # between the edges of neighbours when an army is created
    formation_breadth: float = 3.0  # how much broader than deep an army is created
    keep_formation: bool = True  # each enemy marches to its place in the formation, else all to one point
    patience: int = 0  # loops that a hemmed-in unit waits before it tries to move again

    def __post_init__(self) -> None:
        for name, least in (
            ("look_every", 1),
            ("reaction", 1),
            ("patience", 0),
            ("formation_gap", 0),
            ("acquire_range", 0),
            ("notice_range", 0),
        ):
            if not getattr(self, name) >= least:  # NaN is not
                raise UserError(f"{name} = {getattr(self, name)} must be at least {least}")
        for name in ("backswing", "splash_edge"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} = {getattr(self, name)} must lie between 0 and 1")
        if not 1 / 8 <= self.formation_breadth <= 8:
            raise UserError(f"formation_breadth = {self.formation_breadth} must lie between 0.125 and 8")


DEFAULT_CHOICES = Choices()


@dataclass(frozen=True, slots=True)
class EnvOptions:
    """SMAC's names and defaults (interface of `StarCraft2Env.__init__`). Raises UserError out of bounds."""

    move_amount: float = 2  # map units that a move order covers; half of it is probed for availability
    continuing_episode: bool = False  # a time-out is reported as `episode_limit` in info
    obs_all_health: bool = True  # health and shield of others are observed
    obs_own_health: bool = True  # own health and shield are observed (always, while obs_all_health)
    obs_last_action: bool = False  # last actions of allies in sight are observed
    obs_pathing_grid: bool = False
    obs_terrain_height: bool = False
    obs_instead_of_state: bool = False
    obs_timestep_number: bool = False
    state_last_action: bool = True
    state_timestep_number: bool = False
    reward_sparse: bool = False
    reward_only_positive: bool = True
    reward_death_value: float = 10
    reward_win: float = 200
    reward_defeat: float = 0
    reward_negative_scale: float = 0.5
    reward_scale: bool = True
    reward_scale_rate: float = 20

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not math.isfinite(value):
                raise UserError(f"{field.name} = {value} must be finite")
        for name in ("move_amount", "reward_scale_rate"):
            if getattr(self, name) <= 0:
                raise UserError(f"{name} = {getattr(self, name)} must be above 0")

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
