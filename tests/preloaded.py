"""Imports of training and its machine code, for the parent process of tests.runs.faults, which forks commands."""

from threading import RLock

from tqdm import tqdm

import roma.cli.results
import roma.cli.runs
import roma.runs.training
from roma.envs.skirmish.compilation import compile_engine
from roma.learners.compilation import compile_actors, compile_learners

LOADED = (roma.cli.results, roma.cli.runs, roma.runs.training)

compile_engine()
compile_actors()
compile_learners()
# Forked processes share tqdm's lock: a process killed while it writes would hold it forever.
tqdm.set_lock(RLock())
