"""The embedded engine as a `VectorEnv`: buffers for E battles, and calls into the kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from roma.envs.skirmish import kernel
from roma.envs.skirmish.options import DEFAULT_CHOICES, Choices, EnvOptions
from roma.envs.skirmish.rules import build_rules, env_info
from roma.envs.vector import Outcome
from roma.scenarios import SIZE
from roma.support.errors import UserError

FLAT = np.zeros((SIZE, SIZE))  # terrain height by cell; only 2c_vs_64zg has different heights that agents could observe


def new_battles(n_battles: int, n_units: int, n_agents: int) -> kernel.Battles:
    """Return zeroed buffers for E battles of N units."""
    return kernel.Battles(
        units=np.zeros((n_battles, n_units), kernel.LIFE),
        turn=np.zeros((n_battles, n_units), np.int64),
        counted=np.zeros((n_battles, n_units), np.bool_),
        last_actions=np.full((n_battles, n_agents), -1),
        step=np.zeros(n_battles, np.int64),
        random=np.zeros((n_battles, 1), np.uint64),
        places=kernel.Places(np.zeros((2, n_units)), np.zeros(n_units)),
    )


def check_shapes(**arrays: tuple[NDArray[Any], tuple[int, ...]]) -> None:
    """Check the shapes of arrays: compiled code does not check its bounds.

    Args:
        arrays: Each array with its expected shape, by name.

    Raises:
        ValueError: A shape is wrong; the message names the array.
    """
    for name, (array, expected) in arrays.items():
        if array.shape != expected:
            raise ValueError(f"{name} has shape {array.shape}, expected {expected}")


def check_last_actions(last_actions: NDArray[np.int64], n_actions: int) -> None:
    """Check that all last actions are below `n_actions`. Negative ones mean that there was no action yet.

    Raises:
        ValueError: An action is too large.
    """
    if last_actions.max(initial=-1) >= n_actions:
        raise ValueError(f"last action {last_actions.max()} is not below {n_actions}, the number of actions")


class Skirmish:
    """E battles of one map on the embedded engine; see `VectorEnv` for its members.

    Args:
        map_name: Canonical name of the map.
        n_battles: Number of parallel battles, E.
        options: SMAC's options; None: their defaults.
        choices: The engine's own settings.

    Raises:
        UserError: `n_battles` is below 1, or the map's file is wrong.
    """

    deterministic = True

    def __init__(
        self, map_name: str, n_battles: int, options: EnvOptions | None = None, choices: Choices = DEFAULT_CHOICES
    ) -> None:
        if n_battles < 1:
            raise UserError(f"the number of battles must be at least 1, not {n_battles}")
        options = options or EnvOptions()
        self.rules = build_rules(map_name, choices)
        self.info = env_info(map_name, self.rules, options)
        self.n_battles = n_battles
        n_units = len(self.rules.unit)
        self._options = (options.compiled(), FLAT)
        self._battles = new_battles(n_battles, n_units, self.info.n_agents)
        self.snapshots = np.zeros((n_battles, n_units, 6))
        self.obs = np.zeros((n_battles, self.info.n_agents, self.info.obs_size), np.float32)
        self.state = np.zeros((n_battles, self.info.state_size), np.float32)
        self.avail_actions = np.zeros((n_battles, self.info.n_agents, self.info.n_actions), np.bool_)
        self._before = np.zeros((n_units, 6))
        self._reward = np.zeros(n_battles)
        self._end = np.zeros(n_battles, np.int64)
        self._all = np.ones(n_battles, np.bool_)
        self._seen = (self.snapshots, self.obs, self.state, self.avail_actions)
        self._outcome = (self._before, *self._seen, self._reward, self._end)

    @property
    def last_actions(self) -> NDArray[np.int64]:
        """Last action of each agent (E, A); -1 after a reset."""
        return self._battles.last_actions

    def reset(self, seeds: NDArray[np.int64], chosen: NDArray[np.bool_] | None = None) -> None:
        """Begin new episodes.

        Args:
            seeds: Seed of each battle (E,).
            chosen: Battles to reset (E,); None: all.

        Raises:
            ValueError: An array has the wrong shape.
        """
        seeds, chosen = np.ascontiguousarray(seeds, np.int64), self._all if chosen is None else chosen
        if not seeds.shape == chosen.shape == self._all.shape:
            raise ValueError(f"seeds {seeds.shape} and chosen {chosen.shape} must have the shape {self._all.shape}")
        kernel.reset_battles(self.rules, *self._options, self._battles, seeds, chosen, *self._seen)

    def step(self, actions: NDArray[np.int64], active: NDArray[np.bool_] | None = None) -> Outcome:
        """Play one timestep; see `VectorEnv`.

        Raises:
            ValueError: An action is not available (the message names the first one), or an array has the wrong shape.
        """
        actions, active = np.ascontiguousarray(actions, np.int64), self._all if active is None else active
        if actions.shape != self._battles.last_actions.shape or active.shape != self._all.shape:
            expected = f"{self._battles.last_actions.shape} and {self._all.shape}"
            raise ValueError(f"actions {actions.shape} and active {active.shape} must have the shapes {expected}")
        self.advance(actions, active)
        return Outcome(self._reward.copy(), self._end != kernel.GOES_ON, self._end == kernel.WON)

    def advance(self, actions: NDArray[np.int64], active: NDArray[np.bool_]) -> None:
        """Play one timestep with arrays of the right shapes, and leave the outcome in the buffers; see `step`."""
        refused = kernel.step_battles(self.rules, *self._options, self._battles, actions, active, *self._outcome)
        if refused >= 0:
            battle, agent = divmod(refused, self.info.n_agents)
            raise ValueError(f"battle {battle}: action {actions[battle, agent]} is not available to agent {agent}")

    def step_scripted(self, active: NDArray[np.bool_] | None = None) -> Outcome:
        """Play one timestep in which SMAC's scripted policy (`heuristic_ai`) controls the agents; see `step`."""
        active = self._all if active is None else active
        if active.shape != self._all.shape:
            raise ValueError(f"active {active.shape} must have the shape {self._all.shape}")
        kernel.step_scripted(self.rules, *self._options, self._battles, active, *self._outcome)
        return Outcome(self._reward.copy(), self._end != kernel.GOES_ON, self._end == kernel.WON)

    def observe_snapshots(
        self,
        snapshots: NDArray[np.float64],
        last_actions: NDArray[np.int64],
        steps: NDArray[np.int64],
        obs: NDArray[np.float32],
        state: NDArray[np.float32],
        avail_actions: NDArray[np.bool_],
    ) -> None:
        """Recompute what the agents saw at M snapshots; see `VectorEnv`.

        Raises:
            ValueError: An array has the wrong shape, or a last action is too large.
        """
        moments, info = len(snapshots), self.info
        check_shapes(
            snapshots=(snapshots, (moments, *self.snapshots.shape[1:])),
            last_actions=(last_actions, (moments, info.n_agents)),
            steps=(steps, (moments,)),
            obs=(obs, (moments, *self.obs.shape[1:])),
            state=(state, (moments, *self.state.shape[1:])),
            avail_actions=(avail_actions, (moments, *self.avail_actions.shape[1:])),
        )
        check_last_actions(last_actions, info.n_actions)
        kernel.observe_many(self.rules, *self._options, snapshots, last_actions, steps, obs, state, avail_actions)


class RandomPolicy:
    """Uniform policy over available actions, with its own random stream."""

    def __init__(self, seed: int) -> None:
        self._random = np.array([seed], np.uint64)

    def __call__(self, avail_actions: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return an action for each agent (E, A), drawn from avail_actions (E, A, U)."""
        actions = np.empty(avail_actions.shape[:2], np.int64)
        kernel.random_available(avail_actions, self._random, actions)
        return actions
