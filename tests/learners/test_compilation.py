"""Compilation of the learners' kernels ahead of their use."""

import subprocess
import sys

PROGRAM = """
import sys

import torch

from roma.learners import algorithm, algorithm_names, make_learner
from roma.learners.compilation import compile_learners
from tests.benchmarks.plain_learner import SHAPES, random_batch


def signatures():
    rooms = [module for name, module in sys.modules.items() if name.startswith("roma.nets.ops")]
    functions = {f"{room.__name__}.{name}": each for room in rooms for name, each in vars(room).items()}
    return {name: tuple(each.signatures) for name, each in functions.items() if hasattr(each, "signatures")}


compile_learners()
before = signatures()
assert sum(map(bool, before.values())) >= 8, before  # what only other kernels call has none when read from disk
batch = random_batch(SHAPES["2s3z"], [3, 2], seed=0)
for name in algorithm_names():
    learner = make_learner(name, algorithm(name).config_class(), SHAPES["2s3z"], seed=0)
    learner.update(batch, torch.Generator(), 0, 0.1)
assert signatures() == before
"""


def test_nothing_is_left_to_compile_for_any_arm():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
