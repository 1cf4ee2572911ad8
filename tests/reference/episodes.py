"""Synthetic episodes of given lengths, for tests and benchmarks of the learners."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from roma.envs.vector import EnvInfo
from roma.learners.base.batch import Batch

SHAPES = {  # of the maps that speed is measured on
    "2s3z": EnvInfo("2s3z", 5, 5, 11, 80, 120, 120, True),
    "MMM2": EnvInfo("MMM2", 10, 12, 18, 176, 322, 180, True),
    "27m_vs_30m": EnvInfo("27m_vs_30m", 27, 30, 36, 285, 1170, 180, True),
}


def random_batch(info: EnvInfo, lengths: list[int], seed: int) -> Batch:
    """Return episodes of the given lengths with random contents and real padding; 60 % of the actions are available."""
    generator = torch.Generator().manual_seed(seed)
    n_episodes, steps, agents = len(lengths), max(lengths), info.n_agents
    ends = torch.tensor(lengths).unsqueeze(1)
    mask = (torch.arange(steps) < ends).float()
    filled = torch.arange(steps + 1) <= ends

    def draw(*shape: int) -> Tensor:
        return torch.randn(n_episodes, *shape, generator=generator)

    avail_actions = torch.rand(n_episodes, steps + 1, agents, info.n_actions, generator=generator) < 0.6
    avail_actions[..., 0] = True
    avail_actions &= filled[..., None, None]
    weights = avail_actions[:, :-1].float() + 1e-9
    actions = weights.flatten(0, 2).multinomial(1, generator=generator).view(n_episodes, steps, agents)
    obs, state = draw(steps + 1, agents, info.obs_size), draw(steps + 1, info.state_size)
    if info.state_last_actions:
        one_hot = functional.one_hot(actions, info.n_actions).flatten(2)
        state[..., -one_hot.shape[-1] :] = functional.pad(one_hot, (0, 0, 1, 0))
    return Batch(
        obs=obs * filled[..., None, None],
        state=state * filled[..., None],
        avail_actions=avail_actions,
        actions=actions * mask.long().unsqueeze(-1),
        reward=draw(steps) * mask,
        terminated=(torch.arange(steps) == ends - 1).float(),
        mask=mask,
        latents=torch.randint(2, (n_episodes,), generator=generator),  # the fewest values that MAVEN has
    )


def padded(batch: Batch, slots: int) -> Batch:
    """Return the same episodes with further empty slots."""
    grown = {
        name: functional.pad(value, (0, 0) * (value.dim() - 2) + (0, slots))
        for name, value in vars(batch).items()
        if name != "latents"
    }
    return replace(batch, **grown)
