"""Compiling the learners' kernels ahead of their use, which takes half a minute once for an installation."""

import torch

from roma.envs.vector import EnvInfo
from roma.learners import algorithm, make_learner
from roma.learners.batch import Batch

INFO = EnvInfo(
    "none", n_agents=2, n_enemies=1, n_actions=3, obs_size=4, state_size=8, episode_limit=2, state_last_actions=True
)


def compile_learners() -> None:
    """Update ROMA once, which calls every compiled kernel of the learners; their types are the same for all sizes."""
    steps, agents = INFO.episode_limit, INFO.n_agents
    batch = Batch(
        obs=torch.ones(1, steps + 1, agents, INFO.obs_size),
        state=torch.ones(1, steps + 1, INFO.state_size),
        avail_actions=torch.ones(1, steps + 1, agents, INFO.n_actions, dtype=torch.bool),
        actions=torch.zeros(1, steps, agents, dtype=torch.int64),
        reward=torch.zeros(1, steps),
        terminated=torch.zeros(1, steps),
        mask=torch.ones(1, steps),
    )
    learner = make_learner("roma", algorithm("roma").config_class(), INFO, seed=0)
    learner.update(batch, torch.Generator(), episode=0)
