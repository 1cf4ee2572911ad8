"""Compiling the actor ahead of its use, which takes a quarter of a minute on a machine that has not done so yet."""

import numpy as np

from roma.envs.vector import EnvInfo
from roma.learners import algorithm, make_learner

KINDS = ("qmix", "qmix_lar", "roma", "maven")  # every other algorithm calls the same kernels with the same types


def compile_actors() -> None:
    """Decide once with each kind of agent network. The kernels' types are the same on every map."""
    info = EnvInfo("any", n_agents=2, n_enemies=1, n_actions=7, obs_size=4, state_size=5, episode_limit=1)
    for name in KINDS:
        specification = algorithm(name)
        actor = make_learner(name, specification.config_class(**specification.overrides), info, seed=0).compiled_actor()
        actor.begin([0], np.zeros((1, info.state_size), np.float32))
        obs = np.zeros((1, info.n_agents, info.obs_size), np.float32)
        actor.act(obs, np.ones((1, info.n_agents, info.n_actions), np.bool_), np.ones(1, np.bool_), epsilon=0.5)
