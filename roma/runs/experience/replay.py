"""Replay buffer of whole episodes, stored as engine snapshots; observations are rebuilt when a batch is sampled.

Observations are a function of the unit rows. The unit rows of a timestep take a few hundred bytes, the observations of
all agents a hundred times as much: 5 000 full-length episodes of 27m_vs_30m take 2.5 GB here and 28 GB as a dense
buffer. Computing the observations at sampling costs about as much as gathering them from a dense buffer. Episodes of
the real game store their observations and do take the larger amount. The buffer stays in host memory, and each sampled
batch is copied to the learner's device.

Shapes: B batch, T the longest episode of the batch, L the length of one episode, A agents, U actions.
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
    """Replay buffer of the last `capacity` episodes."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.inserted = 0  # episodes ever inserted; the next one goes to slot inserted % capacity
        self._slots: list[Episode] = []

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def episodes(self) -> Sequence[Episode]:
        """The stored episodes in the order of their slots."""
        return self._slots

    def insert(self, episodes: Sequence[Episode]) -> None:
        """Insert episodes, overwriting the oldest ones if the buffer is full."""
        for episode in episodes:
            slot = self.inserted % self.capacity
            if slot == len(self._slots):
                self._slots.append(episode)
            else:
                self._slots[slot] = episode
            self.inserted += 1

    def restore(self, episodes: Sequence[Episode], inserted: int) -> None:
        """Replace the content.

        Args:
            episodes: Stored episodes, in the order of their slots.
            inserted: Episodes ever inserted.
        """
        self._slots = list(episodes)
        self.inserted = inserted

    def sample(self, batch_size: int, run_seed: int, update: int) -> list[Episode]:
        """Return the episodes for an update, drawn uniformly without replacement.

        If the buffer holds exactly `batch_size` episodes, all of them are returned in order, as in PyMARL.

        Args:
            batch_size: Number of episodes.
            run_seed: Seed of the run.
            update: Number of the update, from 0.
        """
        if len(self) == batch_size:
            return list(self._slots)
        generator = np.random.default_rng(seed_of(run_seed, Stream.SAMPLE, update))
        return [self._slots[slot] for slot in generator.choice(len(self), batch_size, replace=False)]


class BatchBuilder:
    """Builder of batches, in buffers that all batches share: a batch is valid until the next one is built."""

    def __init__(self, env: VectorEnv, batch_size: int, device: torch.device) -> None:
        info = env.info
        self._env = env
        self._device = device
        self._steps = np.arange(info.episode_limit + 1)
        slots = batch_size * (info.episode_limit + 1)
        # Untouched pages of these arrays take no memory, so short episodes do not pay for the episode limit.
        self._obs = np.empty(slots * info.n_agents * info.obs_size, np.float32)
        self._state = np.empty(slots * info.state_size, np.float32)
        self._avail_actions = np.empty(slots * info.n_agents * info.n_actions, np.bool_)

    def build(self, episodes: Sequence[Episode]) -> Batch:
        """Return episodes as a batch, cut to the longest; padding after an episode's last observation is zero."""
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
    """Return the front of a flat buffer as a contiguous array of this shape."""
    return buffer[: math.prod(shape)].reshape(shape)
