"""Compiling the engine ahead of its use, which takes a quarter of a minute on a machine that has not done so yet."""

from logging import getLogger

import numpy as np

from roma.envs.skirmish.engine import Skirmish
from roma.envs.skirmish.kernel.compiler import KERNEL
from roma.scenarios.actions import STOP
from roma.support.system.locks import exclusive

LOG = getLogger("roma.compilation")
COMPILED, COMPILING = "compiled", "compiling.lock"  # files beside the machine code


def compile_engine() -> None:
    """Calls all that a run calls of the kernel, whose types are the same on every map."""
    env = Skirmish("3m", n_battles=1)
    env.reset(np.zeros(1, np.int64))
    first = env.snapshots.copy()
    env.step(np.full((1, env.info.n_agents), STOP))
    env.observe_snapshots(first, env.last_actions, np.zeros(1, np.int64), env.obs, env.state, env.avail_actions)


def compile_once() -> None:
    """Compile the engine, unless that is done: processes that start together wait for the first one."""
    folder = KERNEL.folder
    if folder is None or (folder / COMPILED).exists():
        return
    waiting = "another process compiles the engine, which takes a quarter of a minute: waiting for it"
    with exclusive(folder / COMPILING, lambda: LOG.info(waiting)):
        if not (folder / COMPILED).exists():
            compile_engine()
            (folder / COMPILED).touch()
