"""The optimisers equal torch's bit for bit."""

import sys

import pytest
import torch
from torch.testing import assert_close

from roma.envs.vector import EnvInfo
from roma.learners import algorithm, make_learner
from roma.learners.base.optimisers import Adam, RMSprop
from tests.reference.episodes import random_batch
from tests.runs import faults

PAIRS = {
    "rmsprop": (
        lambda parameters: RMSprop(parameters, 5e-4, 0.99, 1e-5),
        lambda parameters: torch.optim.RMSprop(parameters, lr=5e-4, alpha=0.99, eps=1e-5, foreach=True),
    ),
    "adam": (lambda parameters: Adam(parameters, 1e-3), lambda parameters: torch.optim.Adam(parameters, lr=1e-3)),
}


@pytest.mark.parametrize(("ours", "torchs"), PAIRS.values(), ids=PAIRS)
def test_steps_are_those_of_torch(ours, torchs):
    """Sizes that do and do not fill vectors; one parameter never has a gradient, and one only sometimes."""
    generator = torch.Generator().manual_seed(0)
    sizes = [(64, 80), (7,), (3, 5, 2), (1,), (), (9,)]
    first, second = ([torch.nn.Parameter(torch.full(size, 0.5)) for size in sizes] for _ in range(2))
    optimisers = ours(first), torchs(second)
    for step in range(60):
        for optimiser in optimisers:
            optimiser.zero_grad()
        for index, (mine, other) in enumerate(zip(first, second, strict=True)):
            if index == 2 or (index == 1 and step % 3):
                continue
            mine.grad = torch.randn(mine.shape, generator=generator) * 10.0 ** (step % 5 - 3)
            other.grad = mine.grad.clone()
        for optimiser in optimisers:
            optimiser.step()
    assert_close(first, second, atol=0, rtol=0)
    for mine, other in zip(first, second, strict=True):
        for name, value in optimisers[1].state.get(other, {}).items():
            if name in optimisers[0].state[mine]:
                assert_close(optimisers[0].state[mine][name], value, atol=0, rtol=0)
    assert (first[2] == 0.5).all()


def update_without_the_compiler_of_torch():
    info = EnvInfo("synthetic", 2, 0, 6, 9, 35, 20)
    for name in ("qmix", "coma", "maven"):
        learner = make_learner(name, algorithm(name).config_class(hidden_dim=8), info, 0)
        learner.update(random_batch(info, [3, 2], 0), 0, 0, 0.1)
    assert "torch._dynamo" not in sys.modules


def test_an_update_imports_no_optimiser_of_torch():
    """The first optimiser of a process makes torch import its compiler, which takes a second."""
    faults.run(update_without_the_compiler_of_torch)
