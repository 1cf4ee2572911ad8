"""Role networks of ROMA (paper, section 3 and appendix B.1): encoder f, decoder g, posterior q_xi, dissimilarity d_phi."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from roma.nets.recurrent import RecurrentTrunk


class Gaussian(NamedTuple):
    """A normal distribution with diagonal covariance; mean and variance (..., role_dim)."""

    mean: Tensor
    variance: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """The reparametrised sample for standard normal `noise`."""
        return self.mean + self.variance.sqrt() * noise

    def entropy(self) -> Tensor:
        """Differential entropy in nats (...); not negative while every variance is at least 1 / (2 pi e) = 0.0585."""
        return 0.5 * (2 * math.pi * math.e * self.variance).log().sum(-1)


class GaussianHead(nn.Module):
    """ReLU hidden layer, then mean and log-variance; variances are floored, gradients below the floor vanish."""

    def __init__(self, in_size: int, hidden: int, role_dim: int, variance_floor: float) -> None:
        super().__init__()
        self.hidden_layer = nn.Linear(in_size, hidden)
        self.output_layer = nn.Linear(hidden, 2 * role_dim)
        self.variance_floor = variance_floor

    def from_hidden(self, preactivation: Tensor) -> Gaussian:
        """The distribution from the hidden layer's input to the ReLU (..., hidden)."""
        mean, log_variance = self.output_layer(preactivation.relu()).chunk(2, dim=-1)
        return Gaussian(mean, log_variance.exp().clamp_min(self.variance_floor))


class RoleEncoder(GaussianHead):
    """f of Eq. 1: the role distribution of agent i given o_i alone."""

    def forward(self, obs: Tensor) -> Gaussian:
        """Obs (..., O) to roles (..., role_dim)."""
        return self.from_hidden(self.hidden_layer(obs))


class TrajectoryEncoder(GaussianHead):
    """q_xi of Eq. 3: the role posterior given the trajectory's hidden state h^{t-1} and, if asked for, o^t."""

    def __init__(
        self, hidden_dim: int, obs_size: int, hidden: int, role_dim: int, variance_floor: float, uses_observation: bool
    ) -> None:
        super().__init__(hidden_dim + uses_observation * obs_size, hidden, role_dim, variance_floor)
        self.hidden_dim = hidden_dim
        self.uses_observation = uses_observation

    def forward(self, trajectory: Tensor, obs: Tensor) -> Gaussian:
        """Trajectory (T, B, A, H) time-major and obs (B, T, A, O) to posteriors (T, B, A, role_dim)."""
        weight = self.hidden_layer.weight
        preactivation = functional.linear(trajectory, weight[:, : self.hidden_dim], self.hidden_layer.bias)
        if self.uses_observation:
            preactivation = preactivation + functional.linear(obs, weight[:, self.hidden_dim :]).transpose(0, 1)
        return self.from_hidden(preactivation)


class Dissimilarity(nn.Module):
    """d_phi of Eq. 4 between the trajectories of agents i and j; one ReLU hidden layer (the paper gives none).

    The hidden layer on [h_i, h_j] is W_i h_i + W_j h_j, so that only its few units exist per pair.
    """

    def __init__(self, hidden_dim: int, hidden: int, absolute: bool) -> None:
        super().__init__()
        self.hidden_layer = nn.Linear(2 * hidden_dim, hidden)
        self.output_layer = nn.Linear(hidden, 1)
        self.hidden_dim, self.absolute = hidden_dim, absolute

    def forward(self, trajectory: Tensor) -> Tensor:
        """Trajectory (..., A, H) to dissimilarities (..., A, A), entry [i, j] of the ordered pair."""
        of_first, of_second = self.hidden_layer.weight.split(self.hidden_dim, dim=1)
        first = functional.linear(trajectory, of_first, self.hidden_layer.bias)
        second = functional.linear(trajectory, of_second)
        hidden = (first.unsqueeze(-2) + second.unsqueeze(-3)).relu()
        distance: Tensor = self.output_layer(hidden).squeeze(-1)
        return distance.abs() if self.absolute else distance


class RoleDecoder(nn.Module):
    """g: a role to the weight (H x U) and bias (U) of the utility's last layer, by one ReLU hidden layer.

    The generated weight is linear in the decoder's hidden units, so a utility is the sum over units of
    unit * (h @ that unit's own weight matrix): no weight matrix per agent and step is ever formed.
    """

    def __init__(self, role_dim: int, hidden: int, hidden_dim: int, n_actions: int) -> None:
        super().__init__()
        self.hidden_layer = nn.Linear(role_dim, hidden)
        self.output_layer = nn.Linear(hidden, (hidden_dim + 1) * n_actions)  # rows of the weight, then the bias
        self.n_actions = n_actions

    def forward(self, role: Tensor, hidden: Tensor) -> Tensor:
        """Role (..., role_dim) and hidden state (..., H) to utilities (..., U)."""
        units = functional.pad(self.hidden_layer(role).relu(), (0, 1), value=1.0)  # the last belongs to the biases
        generator = torch.cat([self.output_layer.weight, self.output_layer.bias.unsqueeze(1)], dim=1)
        rows = generator.unflatten(0, (-1, self.n_actions)).transpose(1, 2)  # (H + 1, units, U)
        per_unit = functional.linear(hidden, rows[:-1].flatten(1).T, rows[-1].flatten())
        return (units.unsqueeze(-2) @ per_unit.unflatten(-1, (-1, self.n_actions))).squeeze(-2)


class RoleAgent(nn.Module):
    """The agent of ROMA: trunk, role encoder and role decoder, which is all that acting needs."""

    def __init__(
        self,
        obs_size: int,
        n_actions: int,
        n_agents: int,
        hidden_dim: int,
        role_dim: int,
        role_hidden: int,
        variance_floor: float,
        mean_role_when_greedy: bool,
    ) -> None:
        super().__init__()
        self.trunk = RecurrentTrunk(obs_size, n_actions, n_agents, hidden_dim)
        self.role_encoder = RoleEncoder(obs_size, role_hidden, role_dim, variance_floor)
        self.role_decoder = RoleDecoder(role_dim, role_hidden, hidden_dim, n_actions)
        self.role_dim = role_dim
        self.mean_role_when_greedy = mean_role_when_greedy

    def step(
        self, obs: Tensor, last_actions: Tensor, hidden: Tensor, generator: torch.Generator, greedy: bool
    ) -> tuple[Tensor, Tensor]:
        """One decision: utilities (E*A, U) and next hidden state (E*A, H). Draws every agent's role anew."""
        noise = torch.randn(*obs.shape[:-1], self.role_dim, generator=generator, device=generator.device)
        distribution = self.role_encoder(obs)
        role = distribution.mean
        if not (greedy and self.mean_role_when_greedy):
            role = distribution.sample(noise.to(obs.device))
        hidden = self.trunk.step(obs, last_actions, hidden)
        return self.role_decoder(role.flatten(0, 1), hidden), hidden

    def forward(self, obs: Tensor, actions: Tensor, noise: Tensor) -> "Unrolled":
        """Whole episodes: obs (B, T+1, A, O), actions (B, T, A), role noise (B, T+1, A, role_dim)."""
        distribution = Gaussian(*(parameter.transpose(0, 1) for parameter in self.role_encoder(obs)))
        role = distribution.sample(noise.transpose(0, 1))
        hidden = self.trunk(obs, actions)
        return Unrolled(distribution, role, hidden, self.role_decoder(role, hidden[1:]))


class Unrolled(NamedTuple):
    """What whole episodes give, time-major."""

    distribution: Gaussian  # of roles, (T+1, B, A, role_dim)
    role: Tensor  # sampled, (T+1, B, A, role_dim)
    hidden: Tensor  # GRU states (T+2, B, A, H); entry t is the state before slot t
    utilities: Tensor  # (T+1, B, A, U)
