"""Recording of greedy episodes of all kept policies of a run with roles, for `roma rollout` and `roma measure`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from roma import envs
from roma.envs import VectorEnv
from roma.envs.vector import observe_with_actions
from roma.learners import make_learner
from roma.learners.base.learner import NetworkLearner
from roma.learners.base.roles import RoleLearner, RoleRecord
from roma.recordings.evaluate import load_policy
from roma.recordings.role_trials import ShuffledRoles, Trials, try_roles
from roma.recordings.rollout_file import NOBODY, OF_TRIALS, PROBED_EPISODES, Milestone, Rollout
from roma.runs.config import RunConfig
from roma.runs.directory import RunDirectory
from roma.runs.experience.runner import Episode, Runner, unit_types
from roma.scenarios.rows import HEALTH
from roma.support.errors import UserError
from roma.support.seeding import MAX_RUN_SEED, Stream, noise_seed

PROBED_ROWS = 1024  # rows for the probes, of each milestone
TRIED_MOMENTS = 400  # approximate number of moments at which other roles are tried, of each milestone
UNTRAINED, UNTRAINED_EPISODES = 20, 4  # untrained networks per run, and episodes per network
LARGEST = float(np.finfo(np.float16).max)

Recorded = tuple[dict[str, Any], list[Sequence[str]]]  # values of a Milestone without unit types; names of unit types


def record(directory: Path, episodes: int = 32, earlier_episodes: int = 8, threads: int = 1) -> Rollout:
    """Play and return greedy episodes of the policies that a finished run has kept, and of untrained networks.

    All policies play the same episode seeds: the first ones of the run's stream ROLLOUT.

    Args:
        directory: Run directory.
        episodes: Episodes of the last policy.
        earlier_episodes: Episodes of each earlier policy whose file exists.
        threads: Threads of torch.

    Raises:
        UserError: The run is not finished, its last policy is missing, or its agents have no roles.
    """
    torch.set_num_threads(threads)
    run = RunDirectory(directory)
    run.kept_policy(run.last_step())
    steps = [step for step in run.milestones() if run.policy_file(step).exists()]  # shipped runs lack some policies
    config = run.config
    if not config.has_roles:
        raise UserError(f"the agents of {config.algorithm} have no roles to record: {directory}")
    trained = [_of_policy(run.policy_file(step), episodes if step == steps[-1] else earlier_episodes) for step in steps]
    untrained = _of_untrained(config)
    type_names = sorted({name for _, names in trained + untrained for of_episode in names for name in of_episode})

    def milestone(values: dict[str, Any], names: list[Sequence[str]]) -> Milestone:
        types = np.array([[type_names.index(name) for name in each] for each in names], np.uint8)
        return Milestone(types=types, **values)

    return Rollout(
        config=config.to_json(),
        engine_version=envs.engine_version(config.engine, config.map),
        type_names=type_names,
        milestones=[milestone(*each) for each in trained],
        untrained=[milestone(*each) for each in untrained],
    )


def _of_policy(path: Path, episodes: int) -> Recorded:
    learner, env, facts = load_policy(path, episodes)
    return _played(learner, env, facts["config"]["seed"], facts["step"], episodes)


def _of_untrained(config: RunConfig) -> list[Recorded]:
    """Record UNTRAINED networks, whose initial weights differ from those of all other runs of this cell."""
    env = envs.make(config.engine, config.map, UNTRAINED_EPISODES, config.engine_settings)
    recorded = []
    for number in range(UNTRAINED):
        seed = (config.seed * UNTRAINED + number) % (MAX_RUN_SEED + 1)
        learner = make_learner(config.algorithm, config.hyperparameters, env.info, seed)
        recorded.append(_played(learner, env, seed, 0, UNTRAINED_EPISODES))
    return recorded


def _played(learner: NetworkLearner[Any, Any], env: VectorEnv, seed: int, step: int, episodes: int) -> Recorded:
    """Play episodes, play the same seeds with shuffled roles, and record both."""
    assert isinstance(learner, RoleLearner), f"{type(learner).__module__} has a role_dim but is no RoleLearner"
    agent = learner.online.agent
    played = Runner(env, learner.actor(), seed).play(Stream.ROLLOUT, 0, episodes)
    shuffled = ShuffledRoles(agent, env.info.n_agents, learner.config.hidden_dim, learner.device)
    played_shuffled = Runner(env, shuffled, seed).play(Stream.ROLLOUT, 0, episodes)
    every = -(-sum(episode.length for episode in played) // TRIED_MOMENTS)
    rng = np.random.default_rng(noise_seed(seed, Stream.ROLLOUT, 0))
    seen: list[NDArray[np.float32]] = []
    records: list[RoleRecord] = []
    trials: list[Trials] = []
    start = 0  # the first moment of the round
    for first in range(0, episodes, env.n_battles):
        of_round = played[first : first + env.n_battles]
        obs, avail_actions = zip(*(_seen(env, episode) for episode in of_round), strict=True)
        last_actions = [torch.from_numpy(_last_actions(episode)) for episode in of_round]
        of_roles = learner.role_records([torch.from_numpy(each) for each in obs], last_actions)
        tried = try_roles(agent, of_roles, avail_actions, every, rng)
        trials.append(tried._replace(tried=tried.tried + start))
        start += sum(map(len, obs))
        seen += obs
        records += of_roles
    rows = _sampled_rows(played[:PROBED_EPISODES], noise_seed(seed, Stream.ROLLOUT, 0))
    trajectory = torch.cat([record.trajectory for record in records])[rows[:, 0], rows[:, 1]]
    values = {
        "step": step,
        "seeds": np.array([episode.seed for episode in played]),
        "won": np.array([episode.won for episode in played]),
        "lengths": np.array([episode.length for episode in played]),
        "units": np.concatenate([episode.snapshots for episode in played]).astype(np.float32),
        "actions": np.concatenate([_actions(episode) for episode in played]),
        **{name: _joined(records, name) for name in ("role_mean", "role_variance", "divergence")},
        **{name: _rounded(_joined(records, name)) for name in ("information", "dissimilarity")},
        "rows": rows,
        "trajectory": _rounded(trajectory.numpy()),
        "returns": np.array([episode.episode_return for episode in played], np.float32),
        "shuffled_won": np.array([episode.won for episode in played_shuffled]),
        "shuffled_returns": np.array([episode.episode_return for episode in played_shuffled], np.float32),
        **{name: np.concatenate([getattr(tried, name) for tried in trials]) for name in OF_TRIALS},
        "obs": None if env.deterministic else np.concatenate(seen),
    }
    return values, [unit_types(env.info.map_name, episode) for episode in played]


def _seen(env: VectorEnv, episode: Episode) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return observations (L + 1, A, O) and available actions (L + 1, A, U) before each timestep and at the end."""
    if episode.seen is not None:
        return episode.seen.obs, episode.seen.avail_actions
    return observe_with_actions(env, episode.snapshots, _last_actions(episode), np.arange(episode.length + 1))


def _last_actions(episode: Episode) -> NDArray[np.int64]:
    """Return the previous action of each agent at each moment (L + 1, A), NOBODY at the first."""
    return np.concatenate([np.full_like(episode.actions[:1], NOBODY, np.int64), episode.actions])


def _actions(episode: Episode) -> NDArray[np.int8]:
    """Return the action of each agent at each moment (L + 1, A), NOBODY at the last."""
    return np.concatenate([episode.actions.astype(np.int8), np.full_like(episode.actions[:1], NOBODY, np.int8)])


def _sampled_rows(episodes: Sequence[Episode], seed: int) -> NDArray[np.int32]:
    """Return moment and agent (S, 2) of decisions of living agents, without each episode's first.

    They are drawn uniformly without replacement, and sorted.
    """
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
