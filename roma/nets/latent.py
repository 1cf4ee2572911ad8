"""MAVEN's networks (Mahajan et al., 2019): agents conditioned on a team's latent z, and discriminators of z."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from roma.nets.recurrent import RecurrentTrunk


class LatentAgent(nn.Module):
    """Agent of MAVEN: recurrent trunk, a last layer generated from z and the agent's index, and the policy over z.

    The generated layer has no bias. W(z, i) is linear in the one-hot vectors of z and i, so each of its two terms is a
    row of a table.
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
        """Compute one step.

        Args:
            obs: Observations (E, A, O).
            last_actions: Last actions (E, A), -1 for none.
            hidden: Hidden states (E*A, H).
            latent: z (E,).

        Returns:
            Utilities (E*A, U) and the next hidden states (E*A, H).
        """
        hidden = self.trunk.step(self.trunk.obs_product(obs), last_actions, hidden)
        return self.utilities(hidden.unflatten(0, obs.shape[:2]), latent).flatten(0, 1), hidden

    def forward(self, obs: Tensor, last_actions: Tensor, counts: Sequence[int], latent: Tensor) -> Tensor:
        """Return the utilities (R, A, U) of whole episodes.

        Args:
            obs: Observations (R, A, O).
            last_actions: Last actions (R, A), -1 for none.
            counts: Number of rows of each time.
            latent: z (R,).
        """
        return self.utilities(self.trunk(obs, last_actions, counts)[0], latent)

    def utilities(self, states: Tensor, latent: Tensor) -> Tensor:
        """Return the utilities (R, A, U), given GRU states (R, A, H) and z (R,). Rows of equal z share one product."""
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
    """MAVEN's policy over z given the initial state, with one ReLU hidden layer."""

    def __init__(self, state_size: int, hidden: int, noise_dim: int) -> None:
        super().__init__()
        self.hidden_layer = nn.Linear(state_size, hidden)
        self.output_layer = nn.Linear(hidden, noise_dim)

    def forward(self, state: Tensor) -> Tensor:
        """Return log-probabilities (E, Z), given initial states (E, S)."""
        logits: Tensor = self.output_layer(self.hidden_layer(state).relu())
        return logits.log_softmax(-1)


class StepDiscriminator(nn.Module):
    """Discriminator of z that reads the team's action probabilities and the state at one timestep."""

    def __init__(self, in_size: int, width: int, n_layers: int, noise_dim: int) -> None:
        super().__init__()
        self.classifier = classifier(in_size, width, n_layers, noise_dim)

    def forward(self, inputs: Tensor, counts: Sequence[int]) -> Tensor:
        """Return logits (R, Z), given inputs (R, I)."""
        logits: Tensor = self.classifier(inputs)
        return logits


class RecurrentDiscriminator(nn.Module):
    """Discriminator of z that reads all timesteps so far. Its GRU starts from ones, as in the authors' code."""

    def __init__(self, in_size: int, recurrent: int, width: int, n_layers: int, noise_dim: int) -> None:
        super().__init__()
        self.gru = nn.GRU(in_size, recurrent)
        self.classifier = classifier(recurrent, width, n_layers, noise_dim)

    def forward(self, inputs: Tensor, counts: Sequence[int]) -> Tensor:
        """Return logits (R, Z), given inputs (R, I) and the number of rows of each time."""
        first = inputs.new_ones(1, counts[0], self.gru.hidden_size)
        sizes = torch.tensor(counts, device="cpu")  # torch requires them on the CPU for inputs on any device
        states, _ = self.gru(PackedSequence(inputs, sizes), first)
        logits: Tensor = self.classifier(states.data)
        return logits


def classifier(in_size: int, width: int, n_layers: int, classes: int) -> nn.Sequential:
    """Return a network with `n_layers` ReLU layers of equal width and one logit for each class."""
    sizes = [in_size] + [width] * n_layers
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], classes))
