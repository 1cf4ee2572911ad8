"""What every engine offers: E battles of one map, advanced together.

Shapes: E battles, A agents, U actions, O observation size, S state size, N units (agents first, then enemies),
M snapshots.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class EnvInfo:
    """Sizes of one map, as SMAC's `get_env_info` gives them."""

    map_name: str
    n_agents: int
    n_enemies: int
    n_actions: int
    obs_size: int
    state_size: int
    episode_limit: int  # timesteps
    state_last_actions: bool = False  # whether the state's last A * U numbers are the agents' last actions, one-hot


class Outcome(NamedTuple):
    """What one timestep brought to each battle: reward (E,) float64, terminated (E,) bool, battle_won (E,) bool.

    lost (E,) or (1,) bool: battles that broke off, of which nothing counts; `reset` can begin them anew.
    """

    reward: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    battle_won: NDArray[np.bool_]
    lost: NDArray[np.bool_] = np.zeros(1, np.bool_)


class VectorEnv(Protocol):
    """E battles advanced together. The arrays it shows are views that the next call overwrites."""

    info: EnvInfo
    n_battles: int
    deterministic: bool  # whether seed and actions decide an episode; otherwise it cannot be re-simulated, and what was
    # seen must be stored

    @property
    def obs(self) -> NDArray[np.float32]:
        """Observations, (E, A, O)."""

    @property
    def state(self) -> NDArray[np.float32]:
        """Global state, (E, S)."""

    @property
    def avail_actions(self) -> NDArray[np.bool_]:
        """Available actions, (E, A, U)."""

    @property
    def snapshots(self) -> NDArray[np.float64]:
        """Unit rows (E, N, 6): all that an observation depends on besides the last actions and the timestep."""

    def reset(self, seeds: NDArray[np.int64]) -> None:
        """Begin every battle anew, each from its own seed; `seeds` is (E,)."""

    def step(self, actions: NDArray[np.int64], active: NDArray[np.bool_] | None = None) -> Outcome:
        """Play one timestep. `actions` is (E, A); battles where `active` (E,) is False stand still."""

    def observe_snapshots(
        self,
        snapshots: NDArray[np.float64],
        last_actions: NDArray[np.int64],
        steps: NDArray[np.int64],
        obs: NDArray[np.float32],
        state: NDArray[np.float32],
        avail_actions: NDArray[np.bool_],
    ) -> None:
        """Write what the agents saw at M earlier moments, bit for bit; only of deterministic engines.

        snapshots (M, N, 6); last_actions (M, A), -1 where no action was taken yet; steps (M,); outputs obs (M, A, O),
        state (M, S), avail_actions (M, A, U).
        """


@runtime_checkable
class GameEnv(Protocol):
    """What a game of its own offers besides: it decides where units stand, and writes replays."""

    unit_types: list[list[str]]  # of each battle, by slot: N names; E lists

    def save_replays(self, directory: Path) -> list[Path]:
        """Write them below `directory`; returns their files."""


def observe(
    env: VectorEnv, snapshots: NDArray[np.float64], last_actions: NDArray[np.int64], steps: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return what the agents saw (M, A, O) at unit rows (M, N, 6), after last actions (M, A) and timesteps (M,)."""
    return observe_with_actions(env, snapshots, last_actions, steps)[0]


def observe_with_actions(
    env: VectorEnv, snapshots: NDArray[np.float64], last_actions: NDArray[np.int64], steps: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return likewise what the agents saw (M, A, O), and which actions were available to them (M, A, U)."""
    info, moments = env.info, len(snapshots)
    obs = np.empty((moments, info.n_agents, info.obs_size), np.float32)
    state = np.empty((moments, info.state_size), np.float32)
    avail_actions = np.empty((moments, info.n_agents, info.n_actions), np.bool_)
    env.observe_snapshots(snapshots, last_actions, steps, obs, state, avail_actions)
    return obs, avail_actions
