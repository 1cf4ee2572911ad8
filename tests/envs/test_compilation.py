"""Compiling ahead: a run finds all of its machine code made."""

import subprocess
import sys

PROGRAM = """
import sys
from pathlib import Path

from roma.config import resolve
from roma.envs.skirmish import kernel
from roma.envs.skirmish.compilation import compile_engine
from roma.training import train


def signatures():
    return {name: tuple(each.signatures) for name, each in vars(kernel).items() if hasattr(each, "signatures")}


compile_engine()
before = signatures()
assert any(before.values())
settings = {"n_battles": 2, "batch_size": 2, "test_interval": 100, "test_episodes": 2}
train(resolve("MMM2", "iql", 0, overrides=settings), Path(sys.argv[1]), 200)
assert signatures() == before
"""


def test_nothing_is_left_to_compile_for_a_run_on_any_map(tmp_path):
    subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], check=True)
