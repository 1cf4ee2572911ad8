"""Compiling the engine ahead of its use, which takes a quarter of a minute on a machine that has not done so yet."""

import numpy as np

from roma.envs.skirmish.engine import Skirmish
from roma.scenarios.actions import STOP


def compile_engine() -> None:
    """Calls all that a run calls of the kernel, whose types are the same on every map."""
    env = Skirmish("3m", n_battles=1)
    env.reset(np.zeros(1, np.int64))
    first = env.snapshots.copy()
    env.step(np.full((1, env.info.n_agents), STOP))
    env.observe_snapshots(first, env.last_actions, np.zeros(1, np.int64), env.obs, env.state, env.avail_actions)
