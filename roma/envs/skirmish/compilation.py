"""Compilation of the engine ahead of its use. It takes a quarter of a minute, once per machine."""

from logging import getLogger

import numpy as np

from roma.envs.skirmish.engine import Skirmish
from roma.envs.skirmish.kernel.compiler import KERNEL
from roma.scenarios.actions import STOP
from roma.support.system.locks import exclusive

LOG = getLogger("roma.compilation")
COMPILED, COMPILING = "compiled", "compiling.lock"  # files beside the machine code


def compile_engine() -> None:
    """Compile the kernel, by calling every function that a run calls. Argument types are the same on all maps."""
    env = Skirmish("3m", n_battles=1)
    env.reset(np.zeros(1, np.int64))
    first = env.snapshots.copy()
    env.step(np.full((1, env.info.n_agents), STOP))
    env.observe_snapshots(first, env.last_actions, np.zeros(1, np.int64), env.obs, env.state, env.avail_actions)


def compile_once() -> None:
    """Compile the engine unless it is compiled already. Of several processes, one compiles and the others wait."""
    folder = KERNEL.folder
    if folder is None or (folder / COMPILED).exists():
        return
    waiting = "waiting for another process that compiles the engine (a quarter of a minute)"
    with exclusive(folder / COMPILING, lambda: LOG.info(waiting)):
        if not (folder / COMPILED).exists():
            compile_engine()
            (folder / COMPILED).touch()
