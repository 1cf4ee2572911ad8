"""Mixers: functions of the utilities of the actions taken and of the state, whose value is Q_tot."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from roma.nets.ops.mixing import monotonic_mixing
from roma.nets.ops.selection import state_linear


class Mixer(nn.Module, ABC):
    """Base class of mixers."""

    @abstractmethod
    def forward(self, utilities: Tensor, state: Tensor, last_actions: Tensor | None = None) -> Tensor:
        """Mix the utilities of one action of each agent.

        Args:
            utilities: Utilities of the actions taken (..., A).
            state: Global states (..., S).
            last_actions: Last actions (..., A), -1 for none, for mixers that can use them to save time.

        Returns:
            Q_tot (...); without mixing, the value of each agent (..., A).
        """


class NoMixer(Mixer):
    """No mixing: each agent learns its own value from the team's reward (IQL, Tan, 1993)."""

    def forward(self, utilities: Tensor, state: Tensor, last_actions: Tensor | None = None) -> Tensor:
        """Return the utilities (..., A) unchanged."""
        return utilities


class AdditiveMixer(Mixer):
    """Sum of the utilities (VDN, Sunehag et al., 2018)."""

    def forward(self, utilities: Tensor, state: Tensor, last_actions: Tensor | None = None) -> Tensor:
        """Return Q_tot (...), given utilities (..., A)."""
        return utilities.sum(-1)


class MonotonicMixer(Mixer):
    """Monotonic mixing network Q_tot = |w2(s)| . f(|W1(s)| q + b1(s)) + v(s) (QMIX, Rashid et al., 2018).

    One matrix product with the state, `state_layer`, computes W1, w2, b1 and the hidden layer of v.

    Args:
        state_size: S.
        n_agents: A.
        embed_dim: Width of the hidden layer.
        hypernet_hidden: Hidden units between the state and W1 or w2; 0: both are linear in the state.
        activation: f, `elu` or `relu`.
        n_actions: U, if the state ends with one-hot last actions; they can then be passed as numbers, too.
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
        """Return Q_tot (...), given utilities (..., A) and states (..., S).

        With `last_actions` (R, A), -1 for none, and states (R, S) that end with them, columns of the weight are
        selected instead of multiplied.
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
    """Return the mixer that a configuration names; arguments as in `MonotonicMixer`."""
    if config.mixer == "none":
        return NoMixer()
    if config.mixer == "vdn":
        return AdditiveMixer()
    return MonotonicMixer(
        state_size, n_agents, config.mixer_embed_dim, config.hypernet_hidden, config.mixer_activation, n_actions
    )
