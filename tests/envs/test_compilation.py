"""Compilation of the engine: functions that are compiled ahead, and the digest of their sources."""

import ast
import subprocess
import sys
from pathlib import Path

from roma.envs.skirmish import kernel
from roma.envs.skirmish.kernel.compiler import KERNEL

PROGRAM = """
import sys
from pathlib import Path

from roma.runs.config import resolve
from roma.envs.skirmish import kernel
from roma.envs.skirmish.compilation import compile_engine
from roma.runs.training import train


def signatures():
    rooms = [module for name, module in sys.modules.items() if name.startswith(kernel.__name__)]
    functions = {f"{room.__name__}.{name}": each for room in rooms for name, each in vars(room).items()}
    return {name: tuple(each.signatures) for name, each in functions.items() if hasattr(each, "signatures")}


compile_engine()
before = signatures()
assert any(before.values())
settings = {"parallel_envs": 2, "batch_size": 2, "test_interval": 100, "test_episodes": 2}
train(resolve("MMM2", "iql", 0, overrides=settings), Path(sys.argv[1]), 200)
assert signatures() == before
"""


def test_nothing_is_left_to_compile_for_a_run_on_any_map(tmp_path):
    subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], check=True)


def test_the_digest_of_the_kernel_covers_every_module_that_it_imports():
    """Except for the compiler module, whose changes do not affect the machine code."""
    rooms = list(Path(kernel.__file__).parent.glob("*.py"))
    imports = [node for room in rooms for node in ast.walk(ast.parse(room.read_text()))]
    named = {node.module for node in imports if isinstance(node, ast.ImportFrom) and node.module}
    named |= {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    ours = {name for name in named if name.partition(".")[0] in ("roma", "analysis")} - {"roma.support.compilation"}
    assert len(ours) > 9
    assert {name for name in ours if not any(f"{name}.".startswith(f"{source}.") for source in KERNEL.sources)} == set()
