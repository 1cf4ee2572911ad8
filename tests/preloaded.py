"""Imports of all commands, for the parent process of tests.runs.faults, which forks commands."""

from threading import RLock

import torch
from tqdm import tqdm

import analysis.drawing
import analysis.figures.curves
import roma.cli.results
import roma.cli.runs
import roma.runs.training
from roma.envs.skirmish.compilation import compile_engine
from roma.learners.compilation import compile_actors, compile_learners

LOADED = (analysis.drawing, analysis.figures.curves, roma.cli.results, roma.cli.runs, roma.runs.training)

compile_engine()
compile_actors()
compile_learners()
# The first optimiser of a process makes torch import its compiler, which takes a second; do it once, before the fork.
torch.optim.RMSprop([torch.zeros(1)])
# Forked processes share tqdm's lock: a process killed while it writes would hold it forever.
tqdm.set_lock(RLock())
