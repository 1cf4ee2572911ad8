"""What commands import and load; the parent of the processes of tests.runs.faults has done so before it forks them."""

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
# The first optimiser of a process makes torch import its compiler: a second that no killed run should spend.
torch.optim.RMSprop([torch.zeros(1)])
# tqdm's own lock is shared by forked processes, and one killed while it writes would hold it for good.
tqdm.set_lock(RLock())
