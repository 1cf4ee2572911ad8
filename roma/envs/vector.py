"""The interface of every engine: E battles of one map, advanced together.

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
    state_last_actions: bool = False  # the last A * U entries of the state are the agents' last actions, one-hot


class Outcome(NamedTuple):
    """Outcome of one timestep in each battle.

    Attributes:
        reward: Team reward (E,), float64.
        terminated: Battles that have ended (E,), bool.
        battle_won: Battles that have ended in a win (E,), bool.
        lost: Battles whose game failed, (E,) or (1,), bool. Discard their episodes; `reset` begins new ones.
    """

    reward: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    battle_won: NDArray[np.bool_]
    lost: NDArray[np.bool_] = np.zeros(1, np.bool_)


class VectorEnv(Protocol):
    """E battles advanced together. The next call overwrites the arrays that the properties return."""

    info: EnvInfo
    n_battles: int
    deterministic: bool  # episodes can be re-simulated from seed and actions; otherwise observations are stored

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
        """Unit rows (E, N, 6). They, the last actions and the timestep decide all observations."""

    def reset(self, seeds: NDArray[np.int64]) -> None:
        """Begin a new episode in every battle, from its seed in `seeds` (E,)."""

    def step(self, actions: NDArray[np.int64], active: NDArray[np.bool_] | None = None) -> Outcome:
        """Play one timestep.

        Args:
            actions: Actions (E, A).
            active: Battles to advance (E,); None: all.

        Raises:
            ValueError: An action is not available; the message names the first one.
        """

    def observe_snapshots(
        self,
        snapshots: NDArray[np.float64],
        last_actions: NDArray[np.int64],
        steps: NDArray[np.int64],
        obs: NDArray[np.float32],
        state: NDArray[np.float32],
        avail_actions: NDArray[np.bool_],
    ) -> None:
        """Recompute what the agents saw at M snapshots, bit for bit. Deterministic engines only.

        Args:
            snapshots: Unit rows (M, N, 6).
            last_actions: Last actions (M, A); -1 before an agent's first action.
            steps: Timesteps played (M,).
            obs: Output, observations (M, A, O).
            state: Output, global state (M, S).
            avail_actions: Output, available actions (M, A, U).
        """


@runtime_checkable
class GameEnv(Protocol):
    """Additional interface of an engine that is a game: it orders the units itself and saves its own replays."""

    unit_types: list[list[str]]  # E lists of N names, by slot

    def save_replays(self, directory: Path) -> list[Path]:
        """Save the game's replays below `directory` and return the files."""


def observe(
    env: VectorEnv, snapshots: NDArray[np.float64], last_actions: NDArray[np.int64], steps: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the observations (M, A, O) at M snapshots; arguments as in `VectorEnv.observe_snapshots`."""
    return observe_with_actions(env, snapshots, last_actions, steps)[0]


def observe_with_actions(
    env: VectorEnv, snapshots: NDArray[np.float64], last_actions: NDArray[np.int64], steps: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the observations (M, A, O) and available actions (M, A, U) at M snapshots; arguments as in `observe`."""
    info, moments = env.info, len(snapshots)
    obs = np.empty((moments, info.n_agents, info.obs_size), np.float32)
    state = np.empty((moments, info.state_size), np.float32)
    avail_actions = np.empty((moments, info.n_agents, info.n_actions), np.bool_)
    env.observe_snapshots(snapshots, last_actions, steps, obs, state, avail_actions)
    return obs, avail_actions
