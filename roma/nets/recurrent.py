"""The recurrent part all agents share, and the agent of QMIX and its kin.

Whole episodes go through in one piece, as R rows: those of each time together, and of the episodes that go on always
the first (roma.learners.base.batch.PackedBatch). Only the GRU walks through time.
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
    """A linear layer on one-hot last action and one-hot index, for each agent and last action: (A, U + 1, K).

    One-hot inputs only select columns of the weight, (K, U + A), or (A, K, U + A) where each agent has its own. The
    first of the last actions is none.
    """
    of_action, of_agent = weight.mT.split([weight.shape[-1] - n_agents, n_agents], dim=-2)
    if weight.dim() == 3:
        of_agent = of_agent.diagonal().T  # agent i's weight meets index i only
    return (of_agent + bias).unsqueeze(1) + functional.pad(of_action, (0, 0, 1, 0))


def looked_up(table: Tensor, last_actions: Tensor) -> Tensor:
    """Entries of a selection table (A, U + 1, K) for last actions (..., A), -1 for none: (..., A, K)."""
    agents = torch.arange(len(table), device=last_actions.device)
    return functional.embedding(agents * table.shape[1] + last_actions + 1, table.flatten(0, 1))


class RecurrentTrunk(nn.Module):
    """Input layer with ReLU, then a GRU, over what agent i knows: o_i, its last action, its index (appendix B.1).

    The agents have one set of weights, or each its own (`shared` False), in tensors with a leading dimension A.
    """

    def __init__(self, obs_size: int, n_actions: int, n_agents: int, hidden_dim: int, shared: bool = True) -> None:
        super().__init__()
        in_size = obs_size + n_actions + n_agents
        self.obs_size, self.shared = obs_size, shared
        self.input_layer = nn.Linear(in_size, hidden_dim) if shared else AgentLinear(n_agents, in_size, hidden_dim)
        self.gru = nn.GRUCell(hidden_dim, hidden_dim) if shared else AgentGRUCell(n_agents, hidden_dim)

    @property
    def obs_weight(self) -> Tensor:
        """The columns of the input layer's weight that meet the observation, (H, O) or (A, H, O)."""
        return self.input_layer.weight[..., : self.obs_size]

    def table(self, n_agents: int) -> Tensor:
        """What the input layer adds to its product with the observation, (A, U + 1, H)."""
        return selection_table(self.input_layer.weight[..., self.obs_size :], self.input_layer.bias, n_agents)

    def obs_product(self, obs: Tensor) -> Tensor:
        """The input layer's product with the observations, (N, A, O) to (N, A, H)."""
        if self.shared:
            return functional.linear(obs, self.obs_weight)
        return torch.bmm(obs.transpose(0, 1), self.obs_weight.mT).transpose(0, 1)

    def embed(self, obs_product: Tensor, last_actions: Tensor) -> Tensor:
        """The input layer: its product with the observations (..., A, H) and last actions (..., A), -1 for none."""
        return looked_up(self.table(last_actions.shape[-1]), last_actions).add_(obs_product).relu_()

    def step(self, obs_product: Tensor, last_actions: Tensor, hidden: Tensor) -> Tensor:
        """One decision: observations' product (E, A, H), last actions (E, A), hidden (E*A, H) to the next hidden."""
        next_hidden: Tensor = self.gru(self.embed(obs_product, last_actions).flatten(0, 1), hidden)
        return next_hidden

    def forward(
        self, obs: Tensor, last_actions: Tensor, counts: Sequence[int], *further_weights: Tensor
    ) -> tuple[Tensor, ...]:
        """Whole episodes: obs (R, A, O), last actions (R, A), rows of each time to GRU states (R, A, H).

        The observations meet further weights (K, O) in the same pass, with products (R, A, K).
        """
        gru = self.gru.weight_ih, self.gru.weight_hh, self.gru.bias_ih, self.gru.bias_hh
        if not self.shared:
            return (gated_recurrence(self.embed(self.obs_product(obs), last_actions), counts, *gru),)
        weight, table = torch.cat([self.obs_weight, *further_weights]), self.table(obs.shape[1])
        states, products = recurrent_trunk(obs, weight, table, last_actions, counts, *gru)
        return states, *products.split([len(each) for each in further_weights], dim=-1)


class AgentGRUCell(nn.Module):
    """A GRU cell of each agent's own, all of them in one batched product; initialised as nn.GRUCell is."""

    def __init__(self, n_agents: int, hidden_dim: int) -> None:
        super().__init__()
        bound, gates = hidden_dim**-0.5, 3 * hidden_dim
        self.weight_ih = nn.Parameter(torch.empty(n_agents, gates, hidden_dim).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(n_agents, gates, hidden_dim).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(n_agents, gates).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(n_agents, gates).uniform_(-bound, bound))

    def forward(self, inputs: Tensor, hidden: Tensor) -> Tensor:
        """Inputs and hidden state (N*A, H), agent by agent within each of N, to the next hidden state (N*A, H)."""
        agents, _, width = self.weight_ih.shape
        inputs, hidden = (each.unflatten(0, (-1, agents)).transpose(0, 1) for each in (inputs, hidden))
        of_input = torch.baddbmm(self.bias_ih.unsqueeze(1), inputs, self.weight_ih.mT)
        of_hidden = torch.baddbmm(self.bias_hh.unsqueeze(1), hidden, self.weight_hh.mT)
        reset, update = (of_input + of_hidden)[..., : 2 * width].sigmoid().chunk(2, dim=-1)
        candidate = (of_input[..., 2 * width :] + reset * of_hidden[..., 2 * width :]).tanh()
        return torch.lerp(candidate, hidden, update).transpose(0, 1).flatten(0, 1)


class UtilityAgent(nn.Module):
    """The agent of QMIX: recurrent trunk and one linear layer to the utilities of all actions.

    `further_layers` are the widths of layers with ReLU between the two (QMIX-LAR); `shared` as in the trunk (QMIX-NPS).
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
        """One decision: utilities (E*A, U) and next hidden state (E*A, H). Takes no noise, (E, A, 0)."""
        hidden = self.trunk.step(self.trunk.obs_product(obs), last_actions, hidden)
        return self.utilities(hidden.unflatten(0, (-1, self.n_agents))).flatten(0, 1), hidden

    def utilities(self, states: Tensor) -> Tensor:
        """What follows the GRU: its states (N, A, H) to the utilities of all actions (N, A, U)."""
        utilities: Tensor = self.utility_layer(self.further_layers(states))
        return utilities

    def forward(self, obs: Tensor, last_actions: Tensor, counts: Sequence[int]) -> Tensor:
        """Whole episodes: obs (R, A, O), last actions (R, A), rows of each time to utilities (R, A, U)."""
        return self.utilities(self.states(obs, last_actions, counts))

    def states(self, obs: Tensor, last_actions: Tensor, counts: Sequence[int]) -> Tensor:
        """Likewise, to the GRU states after each step (R, A, H)."""
        states: Tensor = self.trunk(obs, last_actions, counts)[0]
        return states
