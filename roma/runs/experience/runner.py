"""Parallel rollouts: the episodes of a round begin together, and the round ends with the last (as in PyMARL).

Shapes: E parallel environments, T the episode limit, L the length of one episode, A agents, N units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from roma.envs.vector import GameEnv
from roma.scenarios import load_map
from roma.support.seeding import Stream, episode_seed, noise_seed

if TYPE_CHECKING:
    from roma.envs import VectorEnv
    from roma.learners.base.acting import Actor


@dataclass(frozen=True, slots=True)
class Seen:
    """Observations, states and available actions before each timestep and after the last."""

    obs: NDArray[np.float32]  # (L + 1, A, O)
    state: NDArray[np.float32]  # (L + 1, S)
    avail_actions: NDArray[np.bool_]  # (L + 1, A, U)
    unit_types: tuple[str, ...]  # types of the N units, because a game has its own order of units


@dataclass(frozen=True, slots=True)
class Episode:
    """One complete episode.

    On a deterministic engine, the episode is a function of its seed and actions. Its observations are a function of the
    snapshots, which are far smaller. For a non-deterministic engine, `seen` holds the observations.
    """

    seed: int
    snapshots: NDArray[np.float64]  # (L + 1, N, 6): unit rows before each timestep and after the last
    actions: NDArray[np.uint8]  # (L, A)
    reward: NDArray[np.float32]  # (L,)
    terminated: bool  # true if the last timestep ended the episode, time limit included
    won: bool
    seen: Seen | None = None
    latent: int | None = None  # latent that the actor drew for the whole episode, if it draws any

    @property
    def length(self) -> int:
        return len(self.reward)

    @property
    def episode_return(self) -> float:
        """Undiscounted sum of rewards."""
        return float(self.reward.sum(dtype=np.float64))


def unit_types(map_name: str, episode: Episode) -> Sequence[str]:
    """Return the names of the types of an episode's units (N,)."""
    return load_map(map_name).unit_types if episode.seen is None else episode.seen.unit_types


class Recorder:
    """Recorder of a round, in buffers that are allocated once; `episodes` splits the round into episodes."""

    def __init__(self, env: VectorEnv) -> None:
        limit, battles = env.info.episode_limit, env.n_battles
        self._env = env
        self._snapshots = np.empty((limit + 1, *env.snapshots.shape))
        self._actions = np.empty((limit, battles, env.info.n_agents), np.uint8)
        self._reward = np.empty((limit, battles), np.float32)
        self._terminated = np.empty((limit, battles), bool)
        self._won = np.empty((limit, battles), bool)
        self._game = env if isinstance(env, GameEnv) else None
        if self._game is not None:
            self._obs = np.empty((limit + 1, *env.obs.shape), np.float32)
            self._state = np.empty((limit + 1, *env.state.shape), np.float32)
            self._avail_actions = np.empty((limit + 1, *env.avail_actions.shape), np.bool_)

    def begin(self, seeds: Sequence[int]) -> None:
        """Begin one episode for each seed, at most E; the remaining parallel environments stay idle."""
        padded = np.zeros(self._env.n_battles, np.int64)
        padded[: len(seeds)] = seeds
        self._seeds = seeds
        self._steps = 0
        self._lengths = np.zeros(self._env.n_battles, np.int64)
        self._env.reset(padded)
        self._look()
        self._live = np.arange(self._env.n_battles) < len(seeds)
        self._lost = np.zeros(self._env.n_battles, bool)

    @property
    def live(self) -> NDArray[np.bool_]:
        """Mask of the episodes that are still running, one entry for each seed."""
        return self._live[: len(self._seeds)]

    def step(self, actions: NDArray[np.int64]) -> bool:
        """Play one timestep of the running episodes.

        Args:
            actions: Actions (E, A); those of idle environments may be omitted.

        Returns:
            Whether any episode is still running.
        """
        step = self._steps
        if len(actions) < self._env.n_battles:
            actions = np.pad(actions, ((0, self._env.n_battles - len(actions)), (0, 0)))
        reward, terminated, won, lost = self._env.step(actions, self._live)
        self._actions[step] = actions
        self._reward[step] = reward
        self._terminated[step] = terminated
        self._won[step] = won
        self._steps = step + 1
        self._look()
        self._lengths += self._live
        self._lost |= lost
        self._live &= ~(terminated | lost)
        return self._steps < len(self._reward) and bool(self._live.any())

    def _look(self) -> None:
        self._snapshots[self._steps] = self._env.snapshots
        if self._game is not None:
            self._obs[self._steps] = self._env.obs
            self._state[self._steps] = self._env.state
            self._avail_actions[self._steps] = self._env.avail_actions

    def episodes(self, latents: NDArray[np.int64] | None = None) -> list[Episode]:
        """Return the episodes of the round, in the order of their seeds, each cut to its own length.

        Episodes that the engine lost (see `VectorEnv.step`) are omitted.

        Args:
            latents: Latents that the actor drew, one for each seed.
        """
        return [
            Episode(
                seed=int(seed),
                snapshots=self._snapshots[: length + 1, battle].copy(),
                actions=self._actions[:length, battle].copy(),
                reward=self._reward[:length, battle].copy(),
                terminated=bool(self._terminated[length - 1, battle]),
                won=bool(self._won[length - 1, battle]),
                seen=self._seen_of(battle, length),
                latent=None if latents is None else int(latents[battle]),
            )
            for battle, (seed, length) in enumerate(zip(self._seeds, self._lengths[: len(self._seeds)], strict=True))
            if not self._lost[battle]
        ]

    def _seen_of(self, battle: int, length: int) -> Seen | None:
        if self._game is None:
            return None
        moments = slice(length + 1)
        return Seen(
            self._obs[moments, battle].copy(),
            self._state[moments, battle].copy(),
            self._avail_actions[moments, battle].copy(),
            tuple(self._game.unit_types[battle]),
        )


class Runner:
    """Runner that lets an actor play the episodes of a run's streams on an environment."""

    def __init__(self, env: VectorEnv, actor: Actor, run_seed: int) -> None:
        self._env = env
        self._actor = actor
        self._run_seed = run_seed
        self._recorder = Recorder(env)

    def play(self, stream: Stream, first: int, count: int, epsilon: float | None = None) -> list[Episode]:
        """Play episodes in rounds of at most E; episodes that the engine lost are repeated.

        The seed and the noise of an episode do not depend on E.

        Args:
            stream: Stream of the episodes.
            first: Index of the first episode in the stream.
            count: Number of episodes.
            epsilon: Exploration rate; None acts greedily.

        Returns:
            The episodes, in the order of their indices.
        """
        keys = {
            episode_seed(self._run_seed, stream, index): noise_seed(self._run_seed, stream, index)
            for index in range(first, first + count)
        }
        seeds, episodes = list(keys), []
        for start in range(0, count, self._env.n_battles):
            of_round = seeds[start : start + self._env.n_battles]
            played: dict[int, Episode] = {}
            while waiting := {seed: keys[seed] for seed in of_round if seed not in played}:
                played |= {episode.seed: episode for episode in self._play_round(waiting, epsilon)}
            episodes += [played[seed] for seed in of_round]
        return episodes

    def _play_round(self, keys: Mapping[int, int], epsilon: float | None) -> list[Episode]:
        """Play one episode for each seed, given with the key of its noise; epsilon is constant within a round.

        Environments whose episode has ended stay idle until the last episode ends.
        """
        env, actor, recorder, battles = self._env, self._actor, self._recorder, len(keys)
        recorder.begin(list(keys))
        latents = actor.begin(list(keys.values()), env.state[:battles])
        while recorder.step(actor.act(env.obs[:battles], env.avail_actions[:battles], recorder.live, epsilon)):
            pass
        return recorder.episodes(latents)


def resimulate(env: VectorEnv, seeds: Sequence[int], actions: Sequence[NDArray[np.uint8]]) -> list[Episode]:
    """Re-simulate recorded episodes from their seeds and actions, E at a time.

    An episode that ends at another timestep than in the recording is returned with another length.

    Args:
        env: A deterministic environment.
        seeds: Seeds of the episodes.
        actions: Recorded actions of each episode (L, A).

    Raises:
        ValueError: A recorded action is not available.
    """
    recorder = Recorder(env)
    episodes: list[Episode] = []
    for first in range(0, len(seeds), env.n_battles):
        batch = actions[first : first + env.n_battles]
        script = np.zeros((max(map(len, batch)), env.n_battles, env.info.n_agents), np.int64)
        for battle, taken in enumerate(batch):
            script[: len(taken), battle] = taken
        recorder.begin(seeds[first : first + env.n_battles])
        for step_actions in script:
            if not recorder.step(step_actions):
                break
        episodes += recorder.episodes()
    return episodes
