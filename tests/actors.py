"""Helpers of tests that compare actors."""

import torch
from torch import Tensor

from roma.learners.base.acting import Actor, CompiledActor, TorchActor

KINDS = ("compiled_actor", "torch_actor")  # the methods of a learner that make them


def hidden_of(actor: Actor) -> Tensor:
    """Return a copy of the agents' hidden states, (E, A, H)."""
    if isinstance(actor, CompiledActor):
        return torch.from_numpy(actor.network.memory.hidden.copy())
    assert isinstance(actor, TorchActor)
    return actor.hidden.unflatten(0, (-1, actor.n_agents)).clone()
