"""MAVEN's networks (Mahajan et al., 2019): agents that a latent z of the whole team steers, and what reads z back."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from roma.nets.recurrent import RecurrentTrunk


class LatentAgent(nn.Module):
    """Recurrent trunk, a last layer generated from z and the agent's index, and the policy that draws z.

    The generated layer has no bias; W(z, i) is linear in the two one-hot vectors, so the terms of z and of i are
    rows of one table each.
    """

    role_dim = 0

    def __init__(
        self,
        obs_size: int,
        n_actions: int,
        n_agents: int,
        hidden_dim: int,
        noise_dim: int,
        state_size: int,
        policy_hidden: int,
    ) -> None:
        super().__init__()
        self.noise_dim, self.n_actions = noise_dim, n_actions
        self.trunk = RecurrentTrunk(obs_size, n_actions, n_agents, hidden_dim)
        self.generator = nn.Linear(noise_dim + n_agents, n_actions * hidden_dim)
        self.latent_policy = LatentPolicy(state_size, policy_hidden, noise_dim)

    def step(self, obs: Tensor, last_actions: Tensor, hidden: Tensor, latent: Tensor) -> tuple[Tensor, Tensor]:
        """One decision: obs (E, A, O), last actions (E, A), hidden (E*A, H), z (E,) to (E*A, U) and next hidden."""
        hidden = self.trunk.step(self.trunk.obs_product(obs), last_actions, hidden)
        return self.utilities(hidden.unflatten(0, obs.shape[:2]), latent).flatten(0, 1), hidden

    def forward(self, obs: Tensor, last_actions: Tensor, counts: Sequence[int], latent: Tensor) -> Tensor:
        """Whole episodes: obs (R, A, O), last actions (R, A), rows of each time, z (R,) to utilities (R, A, U)."""
        return self.utilities(self.trunk(obs, last_actions, counts)[0], latent)

    def utilities(self, states: Tensor, latent: Tensor) -> Tensor:
        """GRU states (R, A, H) and z (R,) to utilities (R, A, U). Rows of one z share one product for each agent."""
        order = latent.argsort()
        counts = latent.bincount(minlength=self.noise_dim).tolist()
        table = self.generator.weight.T.contiguous().unflatten(-1, (self.n_actions, -1))  # (Z + A, U, H)
        of_latent, of_agent = table.tensor_split([self.noise_dim])
        of_agent = of_agent + self.generator.bias.unflatten(0, (self.n_actions, -1))
        terms = [
            torch.bmm(rows.transpose(0, 1), (of_agent + layer).transpose(1, 2)).transpose(0, 1)
            for rows, layer in zip(states.index_select(0, order).split(counts), of_latent.unbind(), strict=True)
            if len(rows)
        ]
        utilities = torch.cat(terms)
        return torch.empty_like(utilities).index_copy(0, order, utilities)


class LatentPolicy(nn.Module):
    """The policy over z given the initial state, one ReLU hidden layer: MAVEN's upper level."""

    def __init__(self, state_size: int, hidden: int, noise_dim: int) -> None:
        super().__init__()
        self.hidden_layer = nn.Linear(state_size, hidden)
        self.output_layer = nn.Linear(hidden, noise_dim)

    def forward(self, state: Tensor) -> Tensor:
        """Initial states (E, S) to log-probabilities (E, Z)."""
        logits: Tensor = self.output_layer(self.hidden_layer(state).relu())
        return logits.log_softmax(-1)


class StepDiscriminator(nn.Module):
    """Tells z from what the team would do at one step, and the state."""

    def __init__(self, in_size: int, width: int, n_layers: int, noise_dim: int) -> None:
        super().__init__()
        self.classifier = classifier(in_size, width, n_layers, noise_dim)

    def forward(self, inputs: Tensor, counts: Sequence[int]) -> Tensor:
        """Inputs (R, I) to logits (R, Z)."""
        logits: Tensor = self.classifier(inputs)
        return logits


class RecurrentDiscriminator(nn.Module):
    """Tells z from the same of all steps so far; the GRU's first state is all ones, as in the authors' code."""

    def __init__(self, in_size: int, recurrent: int, width: int, n_layers: int, noise_dim: int) -> None:
        super().__init__()
        self.gru = nn.GRU(in_size, recurrent)
        self.classifier = classifier(recurrent, width, n_layers, noise_dim)

    def forward(self, inputs: Tensor, counts: Sequence[int]) -> Tensor:
        """Inputs (R, I), rows of each time to logits (R, Z)."""
        first = inputs.new_ones(1, counts[0], self.gru.hidden_size)
        sizes = torch.tensor(counts, device="cpu")  # torch wants them there wherever the inputs are
        states, _ = self.gru(PackedSequence(inputs, sizes), first)
        logits: Tensor = self.classifier(states.data)
        return logits


def classifier(in_size: int, width: int, n_layers: int, classes: int) -> nn.Sequential:
    """ReLU layers of equal width, then one logit a class."""
    sizes = [in_size] + [width] * n_layers
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], classes))
