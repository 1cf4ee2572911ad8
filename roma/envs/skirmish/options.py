"""The option arguments of SMAC's environment class that touch observations, state and reward, with SMAC's defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class EnvOptions:
    """SMAC's names and defaults (interface of `StarCraft2Env.__init__`)."""

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
