"""Role networks of ROMA (paper, section 3, appendix B.1): encoder f, decoder g, posterior q_xi, dissimilarity d_phi."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from roma.nets.linear import joint_linear
from roma.nets.ops.generated import generated_utilities, generated_utilities_of
from roma.nets.ops.pairs import pairwise_units
from roma.nets.recurrent import RecurrentTrunk, looked_up, selection_table


class Gaussian(NamedTuple):
    """Normal distribution with diagonal covariance; mean and variance are (..., role_dim)."""

    mean: Tensor
    variance: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """Return the reparametrised sample (..., role_dim) for standard normal noise (..., role_dim)."""
        return self.mean + self.variance.sqrt() * noise

    def entropy(self) -> Tensor:
        """Return the differential entropy in nats (...). It is not negative if all variances are at least 0.0585."""
        return 0.5 * (2 * math.pi * math.e * self.variance).log().sum(-1)


class Rectifier(nn.Module):
    """ReLU with the interface of `StepNormalisation`."""

    def __init__(self, units: int) -> None:
        super().__init__()

    def forward(self, inputs: Tensor, counts: Sequence[int]) -> Tensor:
        """Return the rectified inputs (R, N, ..., K); the number of rows of each time is not used."""
        return inputs.relu()


Activation = Callable[[int], nn.Module]  # makes the activation of a hidden layer, given its number of units


class GaussianHead(nn.Module):
    """Hidden layer with a normal distribution as output: mean and log-variance.

    Variances below the floor are raised to it and have no gradient.

    Args:
        in_size: Number of inputs: `lead` inputs, then o_i and, if there are more, agent i's last action and index.
        hidden: Units of the hidden layer.
        role_dim: Dimensions of a role.
        variance_floor: Least variance.
        obs_size: O.
        lead: Number of inputs before o_i.
        activation: Activation of the hidden layer.
    """

    def __init__(
        self,
        in_size: int,
        hidden: int,
        role_dim: int,
        variance_floor: float,
        obs_size: int,
        lead: int = 0,
        activation: Activation = Rectifier,
    ) -> None:
        super().__init__()
        self.lead, self.behind_obs = lead, lead + obs_size
        self.hidden_layer = nn.Linear(in_size, hidden)
        self.activation = activation(hidden)
        self.output_layer = nn.Linear(hidden, 2 * role_dim)
        self.variance_floor = variance_floor

    @property
    def obs_weight(self) -> Tensor:
        """Columns of the hidden layer's weight for the observation (hidden, O)."""
        return self.hidden_layer.weight[:, self.lead : self.behind_obs]

    def bias(self, last_actions: Tensor) -> Tensor:
        """Return the hidden layer's bias (hidden,), or (..., A, hidden) with the terms of last action and index."""
        weight, bias = self.hidden_layer.weight[:, self.behind_obs :], self.hidden_layer.bias
        if not weight.shape[1]:
            return bias
        return looked_up(selection_table(weight, bias, last_actions.shape[-1]), last_actions)

    def from_hidden(self, preactivation: Tensor, counts: Sequence[int]) -> Gaussian:
        """Return the distribution, given the hidden layer before its activation (R, A, hidden)."""
        units, layer = self.activation(preactivation, counts), self.output_layer
        # Role dimensions are outermost in memory, because they are too few for vector instructions.
        outputs = torch.addmm(layer.bias.unsqueeze(1), layer.weight, units.flatten(0, 1).T)
        mean, log_variance = (half.T.unflatten(0, units.shape[:-1]) for half in outputs.chunk(2))
        return Gaussian(mean, log_variance.exp().clamp_min(self.variance_floor))


class RoleEncoder(GaussianHead):
    """Encoder f of Eq. 1: the role distribution of agent i given o_i (in the release, given all its inputs)."""

    def forward(self, obs_product: Tensor, last_actions: Tensor, counts: Sequence[int]) -> Gaussian:
        """Return the role distributions (R, A, role_dim).

        Args:
            obs_product: Product of the observations with `obs_weight` (R, A, hidden).
            last_actions: Last actions (R, A), -1 for none.
            counts: Number of rows of each time.
        """
        return self.from_hidden(obs_product + self.bias(last_actions), counts)


class TrajectoryEncoder(GaussianHead):
    """Posterior q_xi of Eq. 3: the role given the GRU state h^{t-1} and, if configured, the inputs of f."""

    @property
    def obs_weights(self) -> tuple[Tensor, ...]:
        """Weight for the observation; an empty tuple if q_xi reads only the trajectory."""
        weight = self.obs_weight
        return (weight,) if weight.shape[1] else ()

    def forward(
        self, trajectory: Tensor, obs_product: Tensor | None, last_actions: Tensor, counts: Sequence[int]
    ) -> Gaussian:
        """Return the posteriors (R, A, role_dim).

        Args:
            trajectory: GRU states h^{t-1} (R, A, H).
            obs_product: Product of the observations with the weight in `obs_weights` (R, A, hidden); None without one.
            last_actions: Last actions (R, A), -1 for none.
            counts: Number of rows of each time.
        """
        weight, bias = self.hidden_layer.weight[:, : self.lead], self.bias(last_actions)
        rows = torch.addmm(bias if bias.dim() == 1 else bias.flatten(0, 1), trajectory.flatten(0, 1), weight.T)
        preactivation = rows.unflatten(0, trajectory.shape[:2])
        return self.from_hidden(preactivation if obs_product is None else preactivation + obs_product, counts)


class Dissimilarity(nn.Module):
    """Dissimilarity d_phi of Eq. 4 between the trajectories (or roles) of agents i and j.

    It has one hidden layer; the paper states no architecture. The layer on [h_i, h_j] is W_i h_i + W_j h_j, so that
    only its few units are computed for each pair.
    """

    def __init__(self, in_size: int, hidden: int, absolute: bool, activation: Activation = Rectifier) -> None:
        super().__init__()
        self.hidden_layer = nn.Linear(2 * in_size, hidden)
        self.activation = activation(hidden)
        self.output_layer = nn.Linear(hidden, 1)
        self.absolute = absolute

    def forward(self, inputs: Tensor, counts: Sequence[int] = ()) -> Tensor:
        """Return dissimilarities (R, A, A) of ordered pairs [i, j], given trajectories or roles (R, A, I)."""
        first, second = self.parts(inputs)
        distance = pairwise_units(first, second, self.output_layer.weight.squeeze(0)) + self.output_layer.bias
        return distance.abs() if self.absolute else distance

    def parts(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the terms of i and of j in the hidden layer of a pair (R, A, hidden), given inputs (R, A, I)."""
        first, second = joint_linear(inputs, *self.hidden_layer.weight.chunk(2, dim=1))
        return first + self.hidden_layer.bias, second


class RoleDecoder(nn.Module):
    """Decoder g: generates weight (H x U) and bias (U) of the utilities' last layer from a role; one hidden layer.

    The generated layer is linear in the decoder's hidden units. A utility is therefore the sum over units of
    unit * (that unit's own layer on h), and the weight matrices of agents and steps are never formed.
    """

    def __init__(
        self, role_dim: int, hidden: int, hidden_dim: int, n_actions: int, activation: Activation = Rectifier
    ) -> None:
        super().__init__()
        self.hidden_layer = nn.Linear(role_dim, hidden)
        self.activation = activation(hidden)
        self.output_layer = nn.Linear(hidden, (hidden_dim + 1) * n_actions)  # rows of the weight, then the bias
        self.n_actions = n_actions

    def units(self, role: Tensor, counts: Sequence[int]) -> Tensor:
        """Return the hidden units (R, hidden), given roles (R, role_dim)."""
        units: Tensor = self.activation(self.hidden_layer(role).unsqueeze(1), counts).squeeze(1)
        return units

    def generators(self) -> Tensor:
        """Return each unit's term of the generated layer, and last the constant term: (H + 1, U, hidden + 1).

        Row H belongs to the generated layer's bias.
        """
        generators = torch.cat([self.output_layer.weight, self.output_layer.bias.unsqueeze(1)], dim=1)
        return generators.unflatten(0, (-1, self.n_actions))

    @torch.no_grad()
    def forward(self, role: Tensor, state: Tensor, counts: Sequence[int] = ()) -> Tensor:
        """Return the utilities of all actions (R, U), without gradient.

        Args:
            role: Roles (R, role_dim).
            state: GRU states (R, H).
            counts: Number of rows of each time, for a normalised hidden layer.
        """
        return generated_utilities(self.units(role, counts), state, self.generators())

    def of_actions(self, role: Tensor, state: Tensor, actions: Tensor, counts: Sequence[int] = ()) -> Tensor:
        """Return the utility (R,) of one action (R,) of each row, with gradient; other arguments as in `forward`."""
        return generated_utilities_of(self.units(role, counts), state, self.generators(), actions)


class RoleAgent(nn.Module):
    """Agent of ROMA: trunk, role encoder and role decoder. Acting needs no other network."""

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
        roles_read_everything: bool = False,
        activation: Activation = Rectifier,
    ) -> None:
        super().__init__()
        self.trunk = RecurrentTrunk(obs_size, n_actions, n_agents, hidden_dim)
        in_size = obs_size + (n_actions + n_agents) * roles_read_everything
        self.role_encoder = RoleEncoder(in_size, role_hidden, role_dim, variance_floor, obs_size, activation=activation)
        self.role_decoder = RoleDecoder(role_dim, role_hidden, hidden_dim, n_actions, activation)
        self.role_dim = role_dim
        self.mean_role_when_greedy = mean_role_when_greedy

    def step(self, obs: Tensor, last_actions: Tensor, hidden: Tensor, role_noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return utilities (E*A, U) and next hidden states (E*A, H); see `roma.learners.base.acting.Agent`.

        Each agent samples a new role with `role_noise` (E, A, role_dim). Zero noise gives the mean role.
        """
        of_trunk, of_encoder = self.obs_products(obs)
        role = self.role_encoder(of_encoder, last_actions, [len(obs)]).sample(role_noise)
        hidden = self.trunk.step(of_trunk, last_actions, hidden)
        return self.role_decoder(role.flatten(0, 1), hidden, [len(hidden)]), hidden

    @torch.inference_mode()
    def roles(self, obs: Tensor, last_actions: Tensor) -> Gaussian:
        """Return the role distributions (T, A, role_dim) of one episode.

        Args:
            obs: Observations (T, A, O).
            last_actions: Last actions (T, A), -1 for none.
        """
        return self.role_encoder(self.obs_products(obs)[1], last_actions, [1] * len(obs))

    def obs_products(self, obs: Tensor, *further_weights: Tensor) -> tuple[Tensor, ...]:
        """Return the observations' products with trunk, role encoder and further weights (K, O), as one product."""
        return joint_linear(obs, self.trunk.obs_weight, self.role_encoder.obs_weight, *further_weights)

    def utilities(self, role: Tensor, states: Tensor, counts: Sequence[int]) -> Tensor:
        """Return the utilities of all actions (R, A, U), without gradient; arguments as in `utilities_of`."""
        utilities: Tensor = self.role_decoder(
            role.flatten(0, 1), states.flatten(0, 1), [count * role.shape[1] for count in counts]
        )
        return utilities.unflatten(0, states.shape[:-1])

    def utilities_of(self, role: Tensor, states: Tensor, actions: Tensor, counts: Sequence[int]) -> Tensor:
        """Return the utilities (R, A) of the actions taken.

        Args:
            role: Roles (R, A, role_dim).
            states: GRU states (R, A, H).
            actions: Actions (R, A).
            counts: Number of rows of each time.
        """
        utilities: Tensor = self.role_decoder.of_actions(
            role.flatten(0, 1), states.flatten(0, 1), actions.flatten(), [count * role.shape[1] for count in counts]
        )
        return utilities.unflatten(0, states.shape[:-1])
