"""Greedy episodes of every policy that a run with roles has kept, for `roma rollout` and `roma measure`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from roma import envs
from roma.envs import VectorEnv
from roma.envs.vector import observe
from roma.errors import UserError
from roma.evaluate import load_policy
from roma.learners.learner import RoleRecord
from roma.rollout_file import NOBODY, PROBED_EPISODES, Milestone, Rollout
from roma.runner import Episode, Runner, unit_types
from roma.runs.directory import RunDirectory
from roma.scenarios.rows import HEALTH
from roma.seeding import Stream, noise_seed

PROBED_ROWS = 1024
LARGEST = float(np.finfo(np.float16).max)


def record(directory: Path, episodes: int = 32, earlier_episodes: int = 8, threads: int = 1) -> Rollout:
    """Play so many episodes of a finished run's last policy, and of each earlier one that is here, and return them.

    They are the first battles of the run's stream ROLLOUT, the same for each policy.

    Raises:
        UserError: The run is not finished, or its agents have no roles.
    """
    torch.set_num_threads(threads)
    run = RunDirectory(directory)
    steps = [step for step in run.milestones() if run.policy_file(step).exists()]  # not all of a shipped run are
    config = run.config
    if not config.has_roles:
        raise UserError(f"the agents of {config.algorithm} have no roles to record: {directory}")
    milestones = [
        _milestone(run.policy_file(step), episodes if step == steps[-1] else earlier_episodes) for step in steps
    ]
    type_names = sorted({name for _, names in milestones for of_episode in names for name in of_episode})
    return Rollout(
        config=config.to_json(),
        engine_version=envs.engine_version(config.engine, config.map),
        type_names=type_names,
        milestones=[
            Milestone(types=np.array([[type_names.index(name) for name in each] for each in names], np.uint8), **values)
            for values, names in milestones
        ],
    )


def _milestone(path: Path, episodes: int) -> tuple[dict[str, Any], list[Sequence[str]]]:
    """The values of a milestone but for its unit types, and the names of those in each episode."""
    learner, env, facts = load_policy(path, episodes)
    seed = facts["config"]["seed"]
    played = Runner(env, learner.actor(), seed).play(Stream.ROLLOUT, 0, episodes)
    seen = [_observations(env, episode) for episode in played]
    records = []
    for first in range(0, episodes, env.n_battles):
        of_round = slice(first, first + env.n_battles)
        last_actions = [torch.from_numpy(_last_actions(episode)) for episode in played[of_round]]
        records += learner.role_records([torch.from_numpy(obs) for obs in seen[of_round]], last_actions)
    rows = _sampled_rows(played[:PROBED_EPISODES], noise_seed(seed, Stream.ROLLOUT, 0))
    trajectory = torch.cat([record.trajectory for record in records])[rows[:, 0], rows[:, 1]]
    values = {
        "step": facts["step"],
        "seeds": np.array([episode.seed for episode in played]),
        "won": np.array([episode.won for episode in played]),
        "lengths": np.array([episode.length for episode in played]),
        "units": np.concatenate([episode.snapshots for episode in played]).astype(np.float32),
        "actions": np.concatenate([_actions(episode) for episode in played]),
        **{name: _joined(records, name) for name in ("role_mean", "role_variance", "divergence")},
        **{name: _rounded(_joined(records, name)) for name in ("information", "dissimilarity")},
        "rows": rows,
        "trajectory": _rounded(trajectory.numpy()),
        "obs": None if env.deterministic else np.concatenate(seen),
    }
    return values, [unit_types(env.info.map_name, episode) for episode in played]


def _observations(env: VectorEnv, episode: Episode) -> NDArray[np.float32]:
    """What the agents saw before each timestep of an episode and after the last (L + 1, A, O)."""
    if episode.seen is not None:
        return episode.seen.obs
    return observe(env, episode.snapshots, _last_actions(episode), np.arange(episode.length + 1))


def _last_actions(episode: Episode) -> NDArray[np.int64]:
    """What each agent did before each timestep and after the last (L + 1, A), NOBODY at first."""
    return np.concatenate([np.full_like(episode.actions[:1], NOBODY, np.int64), episode.actions])


def _actions(episode: Episode) -> NDArray[np.int8]:
    """What each agent does at each moment (L + 1, A), NOBODY at the last."""
    return np.concatenate([episode.actions.astype(np.int8), np.full_like(episode.actions[:1], NOBODY, np.int8)])


def _sampled_rows(episodes: Sequence[Episode], seed: int) -> NDArray[np.int32]:
    """Moment and agent (S, 2) of decisions of living agents behind the first, drawn without replacement, sorted."""
    candidates, start = [], 0
    for episode in episodes:
        living = episode.snapshots[1:-1, : episode.actions.shape[1], HEALTH] > 0
        candidates.append(np.argwhere(living) + np.array([start + 1, 0]))
        start += episode.length + 1
    rows = np.concatenate(candidates).astype(np.int32)
    drawn = np.random.default_rng(seed).choice(len(rows), min(PROBED_ROWS, len(rows)), replace=False)
    return rows[np.sort(drawn)]


def _joined(records: Sequence[RoleRecord], name: str) -> NDArray[np.float32]:
    return torch.cat([getattr(record, name) for record in records]).numpy()


def _rounded(values: NDArray[np.float32]) -> NDArray[np.float16]:
    return np.clip(values, -LARGEST, LARGEST).astype(np.float16)
