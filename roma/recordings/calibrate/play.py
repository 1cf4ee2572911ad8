"""Untrained play on the embedded engine: uniform random actions, untrained greedy networks, SMAC's scripted policy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roma.envs.skirmish.options import DEFAULT_CHOICES, Choices

SIDE_BY_SIDE = 250  # parallel environments
EPISODES_PER_NETWORK = 32  # as in the tests of released runs
SEED = 1_000_000  # the first episode seed, others follow; the seeds of training runs are scattered over 63 bits


@dataclass(frozen=True, slots=True)
class Play:
    """Untrained play on one map: N episodes of random actions, K untrained networks, and the scripted policy."""

    map: str
    episode_limit: int  # timesteps
    lengths: NDArray[np.int64]  # (N,) of random play, in timesteps
    random_win_rate: float
    network_win_rates: NDArray[np.float64]  # (K,) each over EPISODES_PER_NETWORK greedy episodes
    network_returns: NDArray[np.float64]  # (K,) mean return of each; the largest possible return is about 20
    scripted_win_rate: float


def play(map_name: str, count: int, networks: int, choices: Choices = DEFAULT_CHOICES) -> Play:
    """Play episodes on one map with random actions, untrained networks and the scripted policy.

    Args:
        map_name: Canonical name of a map.
        count: Episodes with random actions, and as many with the scripted policy.
        networks: Number of untrained networks.
        choices: Settings of the engine.
    """
    limit, lengths, random_won = battles(map_name, count, choices, scripted=False)
    _, _, scripted_won = battles(map_name, count, choices, scripted=True)
    win_rates, returns = untrained_tests(map_name, networks, choices)
    return Play(
        map=map_name,
        episode_limit=limit,
        lengths=lengths,
        random_win_rate=float(random_won.mean()),
        network_win_rates=win_rates,
        network_returns=returns,
        scripted_win_rate=float(scripted_won.mean()),
    )


def battles(
    map_name: str, count: int, choices: Choices, scripted: bool
) -> tuple[int, NDArray[np.int64], NDArray[np.bool_]]:
    """Play episodes with uniform random actions or SMAC's scripted policy.

    Args:
        map_name: Canonical name of a map.
        count: Number of episodes.
        choices: Settings of the engine.
        scripted: Use SMAC's scripted policy instead of random actions.

    Returns:
        The episode limit, lengths (count,) in timesteps and wins (count,).
    """
    from roma.envs.skirmish.engine import RandomPolicy, Skirmish

    env, policy = Skirmish(map_name, min(count, SIDE_BY_SIDE), choices=choices), RandomPolicy(SEED)
    lengths, won = np.zeros(count, np.int64), np.zeros(count, np.bool_)
    for first in range(0, count, env.n_battles):
        active = np.arange(env.n_battles) < count - first
        part = slice(first, first + int(active.sum()))
        env.reset(SEED + first + np.arange(env.n_battles))
        while active.any():
            lengths[part] += active[: part.stop - first]
            outcome = env.step_scripted(active) if scripted else env.step(policy(env.avail_actions), active)
            won[part] |= outcome.battle_won[: part.stop - first]
            active &= ~outcome.terminated
    return env.info.episode_limit, lengths, won


def untrained_tests(map_name: str, networks: int, choices: Choices) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Test untrained QMIX agents greedily, like the first test of a released run; VDN and IQL have the same agents.

    Args:
        map_name: Canonical name of a map.
        networks: Number of networks; network k has the initial weights of run seed k.
        choices: Settings of the engine.

    Returns:
        Win rate (networks,) and mean return (networks,) of each network.
    """
    from roma import learners
    from roma.envs.skirmish.engine import Skirmish
    from roma.runs.config import resolve
    from roma.runs.experience.runner import Runner
    from roma.support.seeding import Stream

    env = Skirmish(map_name, EPISODES_PER_NETWORK, choices=choices)
    win_rates, returns = np.zeros(networks), np.zeros(networks)
    for seed in range(networks):
        config = resolve(map_name, "qmix", seed).hyperparameters
        actor = learners.make_learner("qmix", config, env.info, seed, "cpu").actor()
        played = Runner(env, actor, seed).play(Stream.TEST, 0, EPISODES_PER_NETWORK)
        win_rates[seed] = np.mean([episode.won for episode in played])
        returns[seed] = np.mean([episode.episode_return for episode in played])
    return win_rates, returns
