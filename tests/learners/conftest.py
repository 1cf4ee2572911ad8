"""Makes the reference numbers and the plainly written learners importable; one thread, for the tensors are small."""

import sys
from pathlib import Path

import torch

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "golden" / "algorithms"), str(TESTS / "benchmarks")]
torch.set_num_threads(1)
