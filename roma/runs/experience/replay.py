"""A ring of whole episodes, kept as engine snapshots, from which batches of observations are rebuilt when sampled.

What an agent observes is a function of the unit rows, of a few hundred bytes; the observations of all agents take a
hundred times that. 5 000 full-length battles of 27m_vs_30m are 2.5 GB here and 28 GB as a dense buffer. Writing the
observations at sampling costs about what gathering them from such a buffer would. Episodes of the real game carry what
was seen with them, and do take that room. So the replay fits the host's memory whatever the map, and stays there: a GPU
is sent each batch as it is drawn.

Shapes: B batch, T the longest episode of the batch, L one episode's length, A agents, U actions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from roma.envs import VectorEnv
from roma.learners.base.batch import Batch
from roma.runs.experience.runner import Episode
from roma.support.seeding import Stream, seed_of


class Replay:
    """The last `capacity` episodes."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.inserted = 0  # episodes ever inserted; the next takes slot inserted % capacity
        self._slots: list[Episode] = []

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def episodes(self) -> Sequence[Episode]:
        """The stored episodes in the order of their slots."""
        return self._slots

    def insert(self, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            slot = self.inserted % self.capacity
            if slot == len(self._slots):
                self._slots.append(episode)
            else:
                self._slots[slot] = episode
            self.inserted += 1

    def restore(self, episodes: Sequence[Episode], inserted: int) -> None:
        """Takes over `episodes` in the order of their slots, the last of them being number `inserted` ever."""
        self._slots = list(episodes)
        self.inserted = inserted

    def sample(self, batch_size: int, run_seed: int, update: int) -> list[Episode]:
        """Episodes for update number `update`, uniformly and without replacement; all in order if there are no more.

        The last is PyMARL's rule.
        """
        if len(self) == batch_size:
            return list(self._slots)
        generator = np.random.default_rng(seed_of(run_seed, Stream.SAMPLE, update))
        return [self._slots[slot] for slot in generator.choice(len(self), batch_size, replace=False)]


class BatchBuilder:
    """Rebuilds what the agents saw, in buffers that every batch reuses: a batch is valid until the next is built."""

    def __init__(self, env: VectorEnv, batch_size: int, device: torch.device) -> None:
        info = env.info
        self._env = env
        self._device = device
        self._steps = np.arange(info.episode_limit + 1)
        slots = batch_size * (info.episode_limit + 1)
        # Untouched pages of these take no memory: short batches never pay for the episode limit.
        self._obs = np.empty(slots * info.n_agents * info.obs_size, np.float32)
        self._state = np.empty(slots * info.state_size, np.float32)
        self._avail_actions = np.empty(slots * info.n_agents * info.n_actions, np.bool_)

    def build(self, episodes: Sequence[Episode]) -> Batch:
        """Episodes as a batch cut to the longest; slots behind an episode's last observation are zero throughout."""
        info = self._env.info
        size, longest = len(episodes), max(episode.length for episode in episodes)
        obs = _front(self._obs, (size, longest + 1, info.n_agents, info.obs_size))
        state = _front(self._state, (size, longest + 1, info.state_size))
        avail_actions = _front(self._avail_actions, (size, longest + 1, info.n_agents, info.n_actions))
        actions = np.zeros((size, longest, info.n_agents), np.int64)
        reward, terminated, mask = np.zeros((3, size, longest), np.float32)
        last_actions = np.empty((longest + 1, info.n_agents), np.int64)
        last_actions[0] = -1
        for row, episode in enumerate(episodes):
            length, seen = episode.length, episode.length + 1
            actions[row, :length] = episode.actions
            reward[row, :length] = episode.reward
            terminated[row, length - 1] = episode.terminated
            mask[row, :length] = 1
            last_actions[1:seen] = episode.actions
            if episode.seen is not None:
                obs[row, :seen] = episode.seen.obs
                state[row, :seen] = episode.seen.state
                avail_actions[row, :seen] = episode.seen.avail_actions
            else:
                self._env.observe_snapshots(
                    episode.snapshots,
                    last_actions[:seen],
                    self._steps[:seen],
                    obs[row, :seen],
                    state[row, :seen],
                    avail_actions[row, :seen],
                )
            for padded in (obs, state, avail_actions):
                padded[row, seen:] = 0
        tensors = map(torch.from_numpy, (obs, state, avail_actions, actions, reward, terminated, mask))
        latents = [episode.latent for episode in episodes if episode.latent is not None]
        drawn = torch.tensor(latents, device=self._device) if latents else None
        return replace(Batch(*(tensor.to(self._device) for tensor in tensors)), latents=drawn)


def _front(buffer: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The front of a flat buffer, as a contiguous array of this shape."""
    return buffer[: math.prod(shape)].reshape(shape)
