"""Compiling ahead: a run of any algorithm finds all machine code of its actor and its noise."""

import subprocess
import sys

PROGRAM = """
import sys

from roma import envs
from roma.config import resolve
from roma.learners import algorithm_names, make_learner
from roma.learners.compilation import compile_actors
from roma.runner import Runner
from roma.seeding import Stream


def signatures():
    ours = ("roma.nets.ops.acting", "roma.support.noise")
    modules = [module for name, module in sys.modules.items() if name.startswith(ours)]
    functions = {f"{module.__name__}.{name}": each for module in modules for name, each in vars(module).items()}
    return {name: tuple(each.signatures) for name, each in functions.items() if hasattr(each, "signatures")}


compile_actors()
before = signatures()
assert any(before.values())
env = envs.make("embedded", "3m", 2)
for name in algorithm_names():
    learner = make_learner(name, resolve("3m", name, 0).learner, env.info, 0)
    runner = Runner(env, learner.actor(), 0)
    for epsilon in (0.5, None):
        runner.play(Stream.TRAIN, 0, 3, epsilon)
    assert signatures() == before, name
"""


def test_nothing_is_left_to_compile_for_any_algorithm():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
