"""Rollout file: episodes of all kept policies of a run with roles, in one file of roma.support.container.

A deterministic engine computes observations from unit rows, so the file does not contain them. Rollouts of the real
game contain observations.

Shapes: E episodes of a milestone; M moments: for each episode, one before each decision and one after the last,
concatenated over episodes; A agents; N units (agents first, then enemies); S sampled rows; C moments at which K other
roles of each agent are tried.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roma.scenarios.rows import HEALTH
from roma.support import container
from roma.support.files import write_bytes

PROBED_EPISODES = 8  # number of first episodes of a milestone from which the rows for the probes are drawn
OF_EPISODES = ("seeds", "won", "lengths", "types", "returns", "shuffled_won", "shuffled_returns")
OF_TRIALS = ("tried", "resampled", "lender", "exchanged")
KIND = container.Kind("rollout", "rollout", format=2)
NOBODY = -1  # stands for no agent, no target or no action


@dataclass(frozen=True)
class Milestone:
    """Greedy episodes of the policy kept at one milestone of a run."""

    step: int  # environment steps of training; 0: untrained
    seeds: NDArray[np.int64]  # (E,) episode seeds
    won: NDArray[np.bool_]  # (E,)
    lengths: NDArray[np.int64]  # (E,) decisions
    types: NDArray[np.uint8]  # (E, N) index into Rollout.type_names
    units: NDArray[np.float32]  # (M, N, 6): x, y, health, shield, energy, cooldown
    actions: NDArray[np.int8]  # (M, A) action at each moment; NOBODY after the last decision
    role_mean: NDArray[np.float32]  # (M, A, role_dim)
    role_variance: NDArray[np.float32]  # (M, A, role_dim)
    divergence: NDArray[np.float32]  # (M, A) the divergence that L_I averages, in nats
    information: NDArray[np.float16]  # (M, A, A) I_ij of L_D; (M, 0, 0) for learners without it
    dissimilarity: NDArray[np.float16]  # (M, A, A) d_ij of L_D; (M, 0, 0) for learners without it
    rows: NDArray[np.int32]  # (S, 2) moment and agent of decisions drawn at random for the probes
    trajectory: NDArray[np.float16]  # (S, H) GRU state h^{t-1} before each of these decisions
    returns: NDArray[np.float32]  # (E,) undiscounted
    shuffled_won: NDArray[np.bool_]  # (E,) wins on the same seeds when every agent has the role of another one
    shuffled_returns: NDArray[np.float32]  # (E,) undiscounted returns of these episodes
    tried: NDArray[np.int32]  # (C,) moments whose decisions are repeated with other roles and the same history
    resampled: NDArray[np.int8]  # (C, A, K) greedy actions with draws of the agent's own role; NOBODY for dead agents
    lender: NDArray[np.int8]  # (C, A, K) another living agent, whose role the agent gets; NOBODY if there is none
    exchanged: NDArray[np.int8]  # (C, A, K) greedy actions with draws of the lender's role
    obs: NDArray[np.float32] | None = None  # (M, A, O); None if the engine computes them from units

    @cached_property
    def episode(self) -> NDArray[np.int64]:
        """Index of the episode of each moment (M,)."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths + 1)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Index of the first moment of each episode (E,)."""
        return np.cumsum(self.lengths + 1) - (self.lengths + 1)

    @cached_property
    def t(self) -> NDArray[np.int64]:
        """Number of the decision at each moment, from 1 in each episode (M,); one more after the last decision."""
        return np.arange(len(self.units)) - self.starts[self.episode] + 1

    @cached_property
    def decides(self) -> NDArray[np.bool_]:
        """Mask of the moments at which a decision is taken (M,)."""
        return self.t <= self.lengths[self.episode]

    @property
    def n_agents(self) -> int:
        return self.actions.shape[1]

    @cached_property
    def alive(self) -> NDArray[np.bool_]:
        """Mask of living units (M, N)."""
        return self.units[..., HEALTH] > 0

    def part(self, first: int, end: int) -> Milestone:
        """Return the episodes from `first` up to, but not including, `end`, with their sampled rows and trials."""
        start = int((self.lengths[:first] + 1).sum())
        moments = slice(start, start + int((self.lengths[first:end] + 1).sum()))
        mine, tried = ((place >= moments.start) & (place < moments.stop) for place in (self.rows[:, 0], self.tried))
        cuts: dict[str, Any] = {"rows": mine, "trajectory": mine} | dict.fromkeys(OF_TRIALS, tried)
        cuts |= dict.fromkeys(OF_EPISODES, slice(first, end))
        arrays: dict[str, Any] = {
            name: array[cuts.get(name, moments)] for name in ARRAYS if (array := getattr(self, name)) is not None
        }
        arrays["rows"] = arrays["rows"] - np.array([start, 0], np.int32)
        arrays["tried"] = arrays["tried"] - np.int32(start)
        return replace(self, **arrays)

    @cached_property
    def last_actions(self) -> NDArray[np.int64]:
        """Previous action of each agent at each moment (M, A), NOBODY at the first moment of an episode."""
        before = np.roll(self.actions, 1, 0).astype(np.int64)
        before[self.starts] = NOBODY
        return before


@dataclass(frozen=True)
class Rollout:
    """Episodes of all milestones of a run, and of further untrained networks."""

    config: dict[str, Any]  # content of the run's config.json
    engine_version: str  # version of the engine on the map when the episodes were played
    type_names: list[str]  # names of unit types
    milestones: list[Milestone]  # in the order of their steps
    untrained: list[Milestone]  # one milestone of step 0 for each untrained network


ARRAYS = tuple(field.name for field in fields(Milestone) if field.name != "step")


def encode(rollout: Rollout) -> bytes:
    """Return the content of a rollout file; the same rollout gives the same bytes."""
    facts = {name: getattr(rollout, name) for name in ("config", "engine_version", "type_names")}
    facts["steps"] = [milestone.step for milestone in rollout.milestones]
    facts["untrained"] = len(rollout.untrained)
    tensors = {
        f"{place}/{name}": array
        for place, milestone in {
            **{str(milestone.step): milestone for milestone in rollout.milestones},
            **{f"untrained{number}": milestone for number, milestone in enumerate(rollout.untrained)},
        }.items()
        for name in ARRAYS
        if (array := getattr(milestone, name)) is not None
    }
    return container.encode(KIND, facts, tensors)


def save(path: Path, rollout: Rollout) -> None:
    """Write a rollout file atomically."""
    write_bytes(path, encode(rollout))


def load(path: Path) -> Rollout:
    """Return the rollout in a file.

    Raises:
        UserError: The file is missing, damaged, of another kind or of another format.
    """
    facts, tensors = container.load(path, KIND)

    def milestone(step: int, place: str) -> Milestone:
        arrays: dict[str, Any] = {name: tensors.get(f"{place}/{name}") for name in ARRAYS}
        return Milestone(step, **arrays)

    return Rollout(
        facts["config"],
        facts["engine_version"],
        facts["type_names"],
        [milestone(step, str(step)) for step in facts["steps"]],
        [milestone(0, f"untrained{number}") for number in range(facts["untrained"])],
    )
