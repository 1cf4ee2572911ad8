"""Recurrent trunk of all agents, and the agent of QMIX, VDN, IQL, QTRAN and COMA.

Whole episodes are processed at once, as R rows that are sorted by time, continuing episodes first
(roma.learners.base.batch.PackedBatch). Only the GRU runs step by step.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from roma.nets.linear import AgentLinear
from roma.nets.ops.recurrence import gated_recurrence
from roma.nets.ops.trunk import recurrent_trunk


def selection_table(weight: Tensor, bias: Tensor, n_agents: int) -> Tensor:
    """Tabulate a linear layer of one-hot last action and one-hot index: (A, U + 1, K).

    One-hot inputs only select columns of the weight. Entry 0 of the second dimension stands for no last action.

    Args:
        weight: (K, U + A), or (A, K, U + A) if each agent has its own.
        bias: (K,) or (A, K).
        n_agents: A.
    """
    of_action, of_agent = weight.mT.split([weight.shape[-1] - n_agents, n_agents], dim=-2)
    if weight.dim() == 3:
        of_agent = of_agent.diagonal().T  # agent i's weight is used with index i only
    return (of_agent + bias).unsqueeze(1) + functional.pad(of_action, (0, 0, 1, 0))


def looked_up(table: Tensor, last_actions: Tensor) -> Tensor:
    """Return the entries (..., A, K) of a selection table (A, U + 1, K) for last actions (..., A), -1 for none."""
    agents = torch.arange(len(table), device=last_actions.device)
    return functional.embedding(agents * table.shape[1] + last_actions + 1, table.flatten(0, 1))


class RecurrentTrunk(nn.Module):
    """Input layer with ReLU and GRU, which read o_i, agent i's last action and its index (appendix B.1).

    All agents share the weights. With `shared` False each has its own, in tensors with a leading dimension A.
    """

    def __init__(self, obs_size: int, n_actions: int, n_agents: int, hidden_dim: int, shared: bool = True) -> None:
        super().__init__()
        in_size = obs_size + n_actions + n_agents
        self.obs_size, self.shared = obs_size, shared
        self.input_layer = nn.Linear(in_size, hidden_dim) if shared else AgentLinear(n_agents, in_size, hidden_dim)
        self.gru = nn.GRUCell(hidden_dim, hidden_dim) if shared else AgentGRUCell(n_agents, hidden_dim)

    @property
    def obs_weight(self) -> Tensor:
        """Columns of the input layer's weight for the observation, (H, O) or (A, H, O)."""
        return self.input_layer.weight[..., : self.obs_size]

    def table(self, n_agents: int) -> Tensor:
        """Return the input layer's terms of last action, index and bias, (A, U + 1, H)."""
        return selection_table(self.input_layer.weight[..., self.obs_size :], self.input_layer.bias, n_agents)

    def obs_product(self, obs: Tensor) -> Tensor:
        """Return the input layer's product (N, A, H) with observations (N, A, O)."""
        if self.shared:
            return functional.linear(obs, self.obs_weight)
        return torch.bmm(obs.transpose(0, 1), self.obs_weight.mT).transpose(0, 1)

    def embed(self, obs_product: Tensor, last_actions: Tensor) -> Tensor:
        """Return the outputs of the input layer (..., A, H).

        Args:
            obs_product: Its product with the observations (..., A, H).
            last_actions: Last actions (..., A), -1 for none.
        """
        return looked_up(self.table(last_actions.shape[-1]), last_actions).add_(obs_product).relu_()

    def step(self, obs_product: Tensor, last_actions: Tensor, hidden: Tensor) -> Tensor:
        """Return the next hidden states (E*A, H).

        Args:
            obs_product: The input layer's product with the observations (E, A, H).
            last_actions: Last actions (E, A), -1 for none.
            hidden: Hidden states (E*A, H).
        """
        next_hidden: Tensor = self.gru(self.embed(obs_product, last_actions).flatten(0, 1), hidden)
        return next_hidden

    def forward(
        self, obs: Tensor, last_actions: Tensor, counts: Sequence[int], *further_weights: Tensor
    ) -> tuple[Tensor, ...]:
        """Compute whole episodes.

        Args:
            obs: Observations (R, A, O).
            last_actions: Last actions (R, A), -1 for none.
            counts: Number of rows of each time.
            further_weights: Weights (K, O) of other layers that read the observations.

        Returns:
            GRU states (R, A, H), then the product (R, A, K) of the observations with each further weight.
        """
        gru = self.gru.weight_ih, self.gru.weight_hh, self.gru.bias_ih, self.gru.bias_hh
        if not self.shared:
            return (gated_recurrence(self.embed(self.obs_product(obs), last_actions), counts, *gru),)
        weight, table = torch.cat([self.obs_weight, *further_weights]), self.table(obs.shape[1])
        states, products = recurrent_trunk(obs, weight, table, last_actions, counts, *gru)
        return states, *products.split([len(each) for each in further_weights], dim=-1)


class AgentGRUCell(nn.Module):
    """Separate GRU cell for each agent, computed as one batched product; initialised like nn.GRUCell."""

    def __init__(self, n_agents: int, hidden_dim: int) -> None:
        super().__init__()
        bound, gates = hidden_dim**-0.5, 3 * hidden_dim
        self.weight_ih = nn.Parameter(torch.empty(n_agents, gates, hidden_dim).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(n_agents, gates, hidden_dim).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(n_agents, gates).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(n_agents, gates).uniform_(-bound, bound))

    def forward(self, inputs: Tensor, hidden: Tensor) -> Tensor:
        """Return the next hidden states (N*A, H), given inputs and hidden states (N*A, H); agents vary fastest."""
        agents, _, width = self.weight_ih.shape
        inputs, hidden = (each.unflatten(0, (-1, agents)).transpose(0, 1) for each in (inputs, hidden))
        of_input = torch.baddbmm(self.bias_ih.unsqueeze(1), inputs, self.weight_ih.mT)
        of_hidden = torch.baddbmm(self.bias_hh.unsqueeze(1), hidden, self.weight_hh.mT)
        reset, update = (of_input + of_hidden)[..., : 2 * width].sigmoid().chunk(2, dim=-1)
        candidate = (of_input[..., 2 * width :] + reset * of_hidden[..., 2 * width :]).tanh()
        return torch.lerp(candidate, hidden, update).transpose(0, 1).flatten(0, 1)


class UtilityAgent(nn.Module):
    """Agent of QMIX: recurrent trunk and a linear layer whose outputs are the utilities of all actions.

    `further_layers` has the widths of ReLU layers between the two (QMIX-LAR). With `shared` False each agent has its
    own weights (QMIX-NPS).
    """

    role_dim = 0

    def __init__(
        self,
        obs_size: int,
        n_actions: int,
        n_agents: int,
        hidden_dim: int,
        further_layers: Sequence[int] = (),
        shared: bool = True,
    ) -> None:
        super().__init__()
        linear: Callable[[int, int], nn.Module] = nn.Linear if shared else partial(AgentLinear, n_agents)
        widths = [hidden_dim, *further_layers]
        self.n_agents = n_agents
        self.trunk = RecurrentTrunk(obs_size, n_actions, n_agents, hidden_dim, shared)
        self.further_layers = nn.Sequential(
            *(module for pair in pairwise(widths) for module in (linear(*pair), nn.ReLU()))
        )
        self.utility_layer = linear(widths[-1], n_actions)

    def step(self, obs: Tensor, last_actions: Tensor, hidden: Tensor, role_noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return utilities (E*A, U) and next hidden states (E*A, H); see `roma.learners.base.acting.Agent`."""
        hidden = self.trunk.step(self.trunk.obs_product(obs), last_actions, hidden)
        return self.utilities(hidden.unflatten(0, (-1, self.n_agents))).flatten(0, 1), hidden

    def utilities(self, states: Tensor) -> Tensor:
        """Return the utilities of all actions (N, A, U), given GRU states (N, A, H)."""
        utilities: Tensor = self.utility_layer(self.further_layers(states))
        return utilities

    def forward(self, obs: Tensor, last_actions: Tensor, counts: Sequence[int]) -> Tensor:
        """Return the utilities (R, A, U) of whole episodes.

        Args:
            obs: Observations (R, A, O).
            last_actions: Last actions (R, A), -1 for none.
            counts: Number of rows of each time.
        """
        return self.utilities(self.states(obs, last_actions, counts))

    def states(self, obs: Tensor, last_actions: Tensor, counts: Sequence[int]) -> Tensor:
        """Return the GRU states after each step (R, A, H); arguments as in `forward`."""
        states: Tensor = self.trunk(obs, last_actions, counts)[0]
        return states
