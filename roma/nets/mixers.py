"""Mixers: the utilities of the actions taken, and the state, to Q_tot, or to what stands in its place."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from roma.nets.ops.mixing import monotonic_mixing
from roma.nets.ops.selection import state_linear


class Mixer(nn.Module, ABC):
    """A function of the agents' utilities and the state."""

    @abstractmethod
    def forward(self, utilities: Tensor, state: Tensor, last_actions: Tensor | None = None) -> Tensor:
        """Mix the utilities of one action of each agent.

        Args:
            utilities: Of the actions taken, (..., A).
            state: States, (..., S).
            last_actions: Last actions, (..., A), -1 for none, for mixers that read them beside the state.

        Returns:
            Q_tot (...), or the value of each agent (..., A).
        """


class NoMixer(Mixer):
    """Every agent keeps its own value and learns it from the common reward (IQL, Tan, 1993)."""

    def forward(self, utilities: Tensor, state: Tensor, last_actions: Tensor | None = None) -> Tensor:
        """Utilities (..., A) as they are; state (..., S) and last actions (..., A) are not read."""
        return utilities


class AdditiveMixer(Mixer):
    """Q_tot is the sum of the utilities (VDN, Sunehag et al., 2018)."""

    def forward(self, utilities: Tensor, state: Tensor, last_actions: Tensor | None = None) -> Tensor:
        """Utilities (..., A), state (..., S) and last actions (..., A) to Q_tot (...)."""
        return utilities.sum(-1)


class MonotonicMixer(Mixer):
    """Q_tot = |w2(s)| . f(|W1(s)| q + b1(s)) + v(s) (QMIX, Rashid et al., 2018), non-decreasing in every utility.

    All that is a function of the state alone starts with one matrix product: `state_layer` holds side by side the
    rows of W1, w2, b1 and of v's hidden layer; with `hypernet_hidden` > 0 W1 and w2 have a hidden layer of that width.
    If the state ends with one-hot last actions, `n_actions` says of how many, and they can be given beside it.
    """

    def __init__(
        self,
        state_size: int,
        n_agents: int,
        embed_dim: int,
        hypernet_hidden: int,
        activation: str,
        n_actions: int | None = None,
    ) -> None:
        super().__init__()
        self.n_actions = n_actions
        self.elu = activation == "elu"
        first, final = n_agents * embed_dim, embed_dim
        self.widths = [hypernet_hidden or first, hypernet_hidden or final, embed_dim, embed_dim]
        self.state_layer = nn.Linear(state_size, sum(self.widths))
        self.first_weight = nn.Linear(hypernet_hidden, first) if hypernet_hidden else None
        self.final_weight = nn.Linear(hypernet_hidden, final) if hypernet_hidden else None
        self.value = nn.Linear(embed_dim, 1)

    def forward(self, utilities: Tensor, state: Tensor, last_actions: Tensor | None = None) -> Tensor:
        """Utilities (..., A) and state (..., S) to Q_tot (...).

        With last actions (R, A), -1 for none, of states (R, S) that end with them, these are not multiplied.
        """
        weight, bias = self.state_layer.weight, self.state_layer.bias
        if self.n_actions is None or last_actions is None:
            of_state = functional.linear(state.flatten(0, -2), weight, bias)  # one product
        else:
            of_state = state_linear(state, last_actions, self.n_actions, weight, bias)
        if self.first_weight is not None and self.final_weight is not None:
            first, final, *others = of_state.split(self.widths, dim=-1)
            of_state = torch.cat([self.first_weight(first.relu()), self.final_weight(final.relu()), *others], dim=-1)
        weight, bias = self.value.weight.squeeze(0), self.value.bias
        q_tot = monotonic_mixing(utilities.flatten(0, -2), of_state, weight, bias, self.elu)
        return q_tot.unflatten(0, utilities.shape[:-1])


def make_mixer(config: Any, state_size: int, n_agents: int, n_actions: int | None = None) -> Mixer:
    """Return the mixer that a configuration names; `n_actions` if the state ends with one-hot last actions."""
    if config.mixer == "none":
        return NoMixer()
    if config.mixer == "vdn":
        return AdditiveMixer()
    return MonotonicMixer(
        state_size, n_agents, config.mixer_embed_dim, config.hypernet_hidden, config.mixer_activation, n_actions
    )
