"""Compilation of actors and learners ahead of their use. It takes half a minute, once per installation."""

from typing import Any

import numpy as np
import torch

from roma.envs.vector import EnvInfo
from roma.learners import algorithm, make_learner
from roma.learners.base.batch import Batch
from roma.learners.base.learner import NetworkLearner

INFO = EnvInfo(
    "none", n_agents=2, n_enemies=1, n_actions=3, obs_size=4, state_size=8, episode_limit=2, state_last_actions=True
)
ACTING = ("qmix", "qmix_lar", "roma", "maven")  # all other algorithms call the same kernels with the same types


def compile_actors() -> None:
    """Act once with each kind of agent network. Argument types of the kernels do not depend on sizes."""
    obs = np.zeros((1, INFO.n_agents, INFO.obs_size), np.float32)
    avail_actions = np.ones((1, INFO.n_agents, INFO.n_actions), np.bool_)
    for name in ACTING:
        actor = _learner(name).compiled_actor()
        actor.begin([0], np.zeros((1, INFO.state_size), np.float32))
        actor.act(obs, avail_actions, np.ones(1, np.bool_), epsilon=0.5)


def compile_learners() -> None:
    """Update ROMA once, which calls all compiled kernels of the learners. Argument types do not depend on sizes."""
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
    _learner("roma").update(batch, 0, episode=0)


def _learner(name: str) -> NetworkLearner[Any, Any]:
    specification = algorithm(name)
    return make_learner(name, specification.config_class(**specification.overrides), INFO, seed=0)
