"""Ahead-of-time compilation: acting and learning of every algorithm compile nothing more."""

import subprocess
import sys

from roma import envs
from roma.cli import main
from roma.learners import algorithm_names, make_learner
from roma.learners.compilation import compile_actors, compile_learners
from roma.runs.config import resolve
from roma.runs.experience.runner import Runner
from roma.support.seeding import Stream
from tests.reference.episodes import random_batch
from tests.runs import faults


def signatures():
    ours = ("roma.nets.ops", "roma.support.noise")
    modules = [module for name, module in sys.modules.items() if name.startswith(ours)]
    functions = {f"{module.__name__}.{name}": each for module in modules for name, each in vars(module).items()}
    return {name: tuple(each.signatures) for name, each in functions.items() if hasattr(each, "signatures")}


def learn_and_act():
    compile_actors()
    compile_learners()
    before = signatures()
    assert sum(map(bool, before.values())) >= 14, before  # what only other kernels call has none when read from disk
    env = envs.make("embedded", "2s3z", 2)
    batch = random_batch(env.info, [3, 2], seed=0)
    for name in algorithm_names():
        learner = make_learner(name, resolve("2s3z", name, 0).hyperparameters, env.info, 0)
        learner.update(batch, 0, 0, 0.1)
        runner = Runner(env, learner.actor(), 0)
        for epsilon in (0.5, None):
            runner.play(Stream.TRAIN, 0, 3, epsilon)
        assert signatures() == before, name


def test_nothing_is_left_to_compile_for_any_algorithm():
    faults.run(learn_and_act)


def test_where_all_is_compiled_the_command_does_nothing():
    """It does not even import torch, which takes seconds."""
    assert main(["compile"]) == 0
    again = "import sys; from roma.cli import main; assert main(['compile']) == 0; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", again], check=True)
