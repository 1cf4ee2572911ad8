"""Role networks of ROMA (paper, section 3, appendix B.1): encoder f, decoder g, posterior q_xi, dissimilarity d_phi."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from roma.nets.linear import joint_linear
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

    def forward(self, obs_product: Tensor) -> Gaussian:
        """The hidden layer's product with the observations (..., hidden) to roles (..., role_dim)."""
        return self.from_hidden(obs_product + self.hidden_layer.bias)


class TrajectoryEncoder(GaussianHead):
    """q_xi of Eq. 3: the role posterior given the trajectory's GRU state h^{t-1} and, if asked for, o^t."""

    def __init__(
        self, hidden_dim: int, obs_size: int, hidden: int, role_dim: int, variance_floor: float, uses_observation: bool
    ) -> None:
        super().__init__(hidden_dim + uses_observation * obs_size, hidden, role_dim, variance_floor)
        self.hidden_dim = hidden_dim

    @property
    def obs_weight(self) -> Tensor:
        """The columns of the hidden layer's weight that meet the observation (hidden, O); none without it."""
        return self.hidden_layer.weight[:, self.hidden_dim :]

    def forward(self, trajectory: Tensor, obs_product: Tensor | None = None) -> Gaussian:
        """Trajectories (..., H) and the product with the observations (..., hidden) to (..., role_dim)."""
        weight = self.hidden_layer.weight[:, : self.hidden_dim]
        preactivation = functional.linear(trajectory, weight, self.hidden_layer.bias)
        return self.from_hidden(preactivation if obs_product is None else preactivation + obs_product)


class Dissimilarity(nn.Module):
    """d_phi of Eq. 4 between the trajectories of agents i and j; one ReLU hidden layer (the paper gives none).

    The hidden layer on [h_i, h_j] is W_i h_i + W_j h_j, so that only its few units exist per pair.
    """

    def __init__(self, hidden_dim: int, hidden: int, absolute: bool) -> None:
        super().__init__()
        self.hidden_layer = nn.Linear(2 * hidden_dim, hidden)
        self.output_layer = nn.Linear(hidden, 1)
        self.absolute = absolute

    def forward(self, trajectory: Tensor) -> Tensor:
        """Trajectories (R, A, H) to dissimilarities (R, A, A), entry [i, j] of the ordered pair."""
        first, second = joint_linear(trajectory, *self.hidden_layer.weight.chunk(2, dim=1))
        weight, bias = self.output_layer.weight.squeeze(0), self.output_layer.bias
        distance: Tensor = PairwiseUnits.apply(first + self.hidden_layer.bias, second, weight) + bias
        return distance.abs() if self.absolute else distance


class PairwiseUnits(torch.autograd.Function):
    """Sum over units k of w_k relu(first_ik + second_jk): first, second (R, A, K) and w (K,) to (R, A, A).

    The units of all pairs are the largest tensor of an update. They are made, used and made again for the gradient in
    blocks of rows that fit the processor's cache, rows innermost.
    """

    BLOCK = 2**17  # elements
    LEAST_ROWS = 32  # innermost; shorter ones are not vectorised

    @staticmethod
    def blocks(first: Tensor, second: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Row ranges with their (A, 1, K, rows) and (1, A, K, rows) parts."""
        rows, agents, units = first.shape
        size = max(PairwiseUnits.LEAST_ROWS, PairwiseUnits.BLOCK // (agents * agents * units))
        for start in range(0, rows, size):
            block = slice(start, min(start + size, rows))
            of_first, of_second = (part[block].permute(1, 2, 0).contiguous() for part in (first, second))
            yield block, of_first.unsqueeze(1), of_second.unsqueeze(0)

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(first, second, weight)
        rows, agents, _ = first.shape
        out = first.new_empty(rows, agents, agents)
        for block, of_first, of_second in PairwiseUnits.blocks(first, second):
            units = (of_first + of_second).relu_().mul_(weight.unsqueeze(-1))
            out[block] = units.sum(2).permute(2, 0, 1)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, second, weight = ctx.saved_tensors
        grad_first, grad_second = torch.empty_like(first), torch.empty_like(second)
        for block, of_first, of_second in PairwiseUnits.blocks(first, second):
            grad_block = grad[block].permute(1, 2, 0).unsqueeze(2).contiguous()  # (A, A, 1, rows)
            active = (of_first + of_second).gt_(0).mul_(grad_block)
            grad_first[block] = active.sum(1).permute(2, 0, 1)
            grad_second[block] = active.sum(0).permute(2, 0, 1)
        # each active pair adds first + second to its unit's gradient, so the sums over partners suffice
        grad_weight = (grad_first * first + grad_second * second).sum((0, 1))
        return grad_first.mul_(weight), grad_second.mul_(weight), grad_weight


class RoleDecoder(nn.Module):
    """g: a role to the weight (H x U) and bias (U) of the utility's last layer, by one ReLU hidden layer.

    The generated layer is linear in the decoder's hidden units and their bias, so a utility is the sum over units of
    unit * (that unit's own layer on h): no weight matrix per agent and step is ever formed.
    """

    BLOCK = 512  # rows whose units for all actions fit the processor's cache

    def __init__(self, role_dim: int, hidden: int, hidden_dim: int, n_actions: int) -> None:
        super().__init__()
        self.hidden_layer = nn.Linear(role_dim, hidden)
        self.output_layer = nn.Linear(hidden, (hidden_dim + 1) * n_actions)  # rows of the weight, then the bias
        self.n_actions = n_actions

    def units(self, role: Tensor) -> Tensor:
        """Role (..., role_dim) to the hidden units, and 1 for the output layer's bias: (..., hidden + 1)."""
        return functional.pad(self.hidden_layer(role).relu(), (0, 1), value=1.0)

    def generators(self) -> Tensor:
        """What each unit adds to the generated layer: (H + 1, U, hidden + 1), the bias in row H."""
        generators = torch.cat([self.output_layer.weight, self.output_layer.bias.unsqueeze(1)], dim=1)
        return generators.unflatten(0, (-1, self.n_actions))

    @torch.no_grad()
    def forward(self, role: Tensor, state: Tensor) -> Tensor:
        """Utilities of all actions, to choose from: role (R, role_dim) and GRU state (R, H) to (R, U), no gradient."""
        generators = self.generators().permute(2, 1, 0)  # (units, U, H + 1)
        weight, bias = generators[..., :-1].flatten(0, 1), generators[..., -1]
        utilities = []
        for units, states in zip(self.units(role).split(self.BLOCK), state.split(self.BLOCK), strict=True):
            terms = torch.mm(weight, states.T).unflatten(0, (-1, self.n_actions)).mul_(units.T.unsqueeze(1))
            utilities.append(torch.addmm(terms.sum(0).T, units, bias))
        return torch.cat(utilities)

    def of_actions(self, role: Tensor, state: Tensor, actions: Tensor) -> Tensor:
        """Utility of one action per row: role (R, role_dim), GRU state (R, H), action (R,) to (R,).

        Rows are brought into the order of their actions, then each action's own columns are applied to its rows.
        """
        order = actions.argsort()
        counts = actions.bincount(minlength=self.n_actions).tolist()
        units, states = self.units(role).index_select(0, order), state.index_select(0, order)
        by_action = self.generators().transpose(0, 1)
        terms = [
            torch.addmm(layer[-1], rows, layer[:-1])
            for layer, rows in zip(by_action.unbind(), states.split(counts), strict=True)
        ]
        utilities = (torch.cat(terms) * units).sum(-1)
        return torch.empty_like(utilities).index_copy(0, order, utilities)


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
        of_trunk, of_encoder = self.obs_products(obs)
        distribution = self.role_encoder(of_encoder)
        role = distribution.mean
        if not (greedy and self.mean_role_when_greedy):
            role = distribution.sample(noise.to(obs.device))
        hidden = self.trunk.step(of_trunk, last_actions, hidden)
        return self.role_decoder(role.flatten(0, 1), hidden), hidden

    @torch.inference_mode()
    def roles(self, obs: Tensor) -> Gaussian:
        """Role distributions (..., role_dim) of observations (..., O): a role depends on nothing else."""
        return self.role_encoder(self.obs_products(obs)[1])

    def obs_products(self, obs: Tensor, *further_weights: Tensor) -> tuple[Tensor, ...]:
        """All that starts with a product of the observations: trunk, role encoder, and further weights (..., O)."""
        return joint_linear(obs, self.trunk.obs_weight, self.role_encoder.hidden_layer.weight, *further_weights)

    def utilities(self, role: Tensor, states: Tensor) -> Tensor:
        """Of all actions, no gradient: role (R, A, role_dim), GRU states (R, A, H) to (R, A, U)."""
        utilities: Tensor = self.role_decoder(role.flatten(0, 1), states.flatten(0, 1))
        return utilities.unflatten(0, states.shape[:-1])

    def utilities_of(self, role: Tensor, states: Tensor, actions: Tensor) -> Tensor:
        """Of one action each: role (R, A, role_dim), GRU states (R, A, H), actions (R, A) to (R, A)."""
        utilities: Tensor = self.role_decoder.of_actions(role.flatten(0, 1), states.flatten(0, 1), actions.flatten())
        return utilities.unflatten(0, states.shape[:-1])
