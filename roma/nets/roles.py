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
    """A normal distribution with diagonal covariance; mean and variance (..., role_dim)."""

    mean: Tensor
    variance: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """The reparametrised sample for standard normal `noise`."""
        return self.mean + self.variance.sqrt() * noise

    def entropy(self) -> Tensor:
        """Differential entropy in nats (...); not negative while every variance is at least 1 / (2 pi e) = 0.0585."""
        return 0.5 * (2 * math.pi * math.e * self.variance).log().sum(-1)


class Rectifier(nn.Module):
    """ReLU behind a hidden layer of any width."""

    def __init__(self, units: int) -> None:
        super().__init__()

    def forward(self, inputs: Tensor, counts: Sequence[int]) -> Tensor:
        """Inputs (R, N, ..., K), rows of each time."""
        return inputs.relu()


Activation = Callable[[int], nn.Module]  # makes what follows a hidden layer of so many units


class GaussianHead(nn.Module):
    """Hidden layer, then mean and log-variance; variances are floored, gradients below the floor vanish.

    After `lead` inputs the layer reads o_i and, if it has columns for them, i's last action and index.
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
        """The columns of the hidden layer's weight that meet the observation (hidden, O)."""
        return self.hidden_layer.weight[:, self.lead : self.behind_obs]

    def bias(self, last_actions: Tensor) -> Tensor:
        """What the hidden layer adds to its products: bias and, if read, last action and index (..., A)."""
        weight, bias = self.hidden_layer.weight[:, self.behind_obs :], self.hidden_layer.bias
        if not weight.shape[1]:
            return bias
        return looked_up(selection_table(weight, bias, last_actions.shape[-1]), last_actions)

    def from_hidden(self, preactivation: Tensor, counts: Sequence[int]) -> Gaussian:
        """The distribution from the hidden layer (R, A, hidden), rows of each time."""
        units, layer = self.activation(preactivation, counts), self.output_layer
        # Role dimensions outermost in memory: they are too few to make a vector.
        outputs = torch.addmm(layer.bias.unsqueeze(1), layer.weight, units.flatten(0, 1).T)
        mean, log_variance = (half.T.unflatten(0, units.shape[:-1]) for half in outputs.chunk(2))
        return Gaussian(mean, log_variance.exp().clamp_min(self.variance_floor))


class RoleEncoder(GaussianHead):
    """f of Eq. 1: the role distribution of agent i given o_i alone; in the release given all that i knows."""

    def forward(self, obs_product: Tensor, last_actions: Tensor, counts: Sequence[int]) -> Gaussian:
        """Product with the observations (R, A, hidden), last actions (R, A), rows of each time to (R, A, role_dim)."""
        return self.from_hidden(obs_product + self.bias(last_actions), counts)


class TrajectoryEncoder(GaussianHead):
    """q_xi of Eq. 3: the role posterior given the trajectory's GRU state h^{t-1} and, if asked for, what f reads."""

    @property
    def obs_weights(self) -> tuple[Tensor, ...]:
        """The weight that meets the observation, in a tuple that is empty if q_xi reads the trajectory alone."""
        weight = self.obs_weight
        return (weight,) if weight.shape[1] else ()

    def forward(
        self, trajectory: Tensor, obs_product: Tensor | None, last_actions: Tensor, counts: Sequence[int]
    ) -> Gaussian:
        """Trajectories (R, A, H), the product with the observations if they are read, the rest as for f."""
        weight, bias = self.hidden_layer.weight[:, : self.lead], self.bias(last_actions)
        rows = torch.addmm(bias if bias.dim() == 1 else bias.flatten(0, 1), trajectory.flatten(0, 1), weight.T)
        preactivation = rows.unflatten(0, trajectory.shape[:2])
        return self.from_hidden(preactivation if obs_product is None else preactivation + obs_product, counts)


class Dissimilarity(nn.Module):
    """d_phi of Eq. 4 between the trajectories (or roles) of agents i and j; one hidden layer (the paper gives none).

    The hidden layer on [h_i, h_j] is W_i h_i + W_j h_j, so that only its few units exist per pair.
    """

    def __init__(self, in_size: int, hidden: int, absolute: bool, activation: Activation = Rectifier) -> None:
        super().__init__()
        self.hidden_layer = nn.Linear(2 * in_size, hidden)
        self.activation = activation(hidden)
        self.output_layer = nn.Linear(hidden, 1)
        self.absolute = absolute

    def forward(self, inputs: Tensor, counts: Sequence[int] = ()) -> Tensor:
        """Trajectories or roles (R, A, I) to dissimilarities (R, A, A), entry [i, j] of the ordered pair."""
        first, second = self.parts(inputs)
        distance = pairwise_units(first, second, self.output_layer.weight.squeeze(0)) + self.output_layer.bias
        return distance.abs() if self.absolute else distance

    def parts(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """What i and what j bring into the hidden layer of a pair, (R, A, I) to (R, A, hidden) each."""
        first, second = joint_linear(inputs, *self.hidden_layer.weight.chunk(2, dim=1))
        return first + self.hidden_layer.bias, second


class RoleDecoder(nn.Module):
    """g: a role to the weight (H x U) and bias (U) of the utility's last layer, by one ReLU hidden layer.

    The generated layer is linear in the decoder's hidden units and their bias, so a utility is the sum over units of
    unit * (that unit's own layer on h): no weight matrix per agent and step is ever formed.
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
        """Role (R, role_dim) to the hidden units (R, hidden)."""
        units: Tensor = self.activation(self.hidden_layer(role).unsqueeze(1), counts).squeeze(1)
        return units

    def generators(self) -> Tensor:
        """What each unit adds to the generated layer, and last what none has part in: (H + 1, U, hidden + 1).

        Row H makes the generated layer's bias.
        """
        generators = torch.cat([self.output_layer.weight, self.output_layer.bias.unsqueeze(1)], dim=1)
        return generators.unflatten(0, (-1, self.n_actions))

    @torch.no_grad()
    def forward(self, role: Tensor, state: Tensor, counts: Sequence[int] = ()) -> Tensor:
        """Utilities of all actions, to choose from: role (R, role_dim) and GRU state (R, H) to (R, U), no gradient.

        `counts` are the rows of each time, where the hidden layer is normalised by them.
        """
        return generated_utilities(self.units(role, counts), state, self.generators())

    def of_actions(self, role: Tensor, state: Tensor, actions: Tensor, counts: Sequence[int] = ()) -> Tensor:
        """Utility of one action per row: role (R, role_dim), GRU state (R, H), action (R,) to (R,)."""
        return generated_utilities_of(self.units(role, counts), state, self.generators(), actions)


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
        """One decision: utilities (E*A, U) and next hidden state (E*A, H).

        Every agent's role is sampled anew with standard normal noise (E, A, role_dim); 0 makes it the mean role.
        """
        of_trunk, of_encoder = self.obs_products(obs)
        role = self.role_encoder(of_encoder, last_actions, [len(obs)]).sample(role_noise)
        hidden = self.trunk.step(of_trunk, last_actions, hidden)
        return self.role_decoder(role.flatten(0, 1), hidden, [len(hidden)]), hidden

    @torch.inference_mode()
    def roles(self, obs: Tensor, last_actions: Tensor) -> Gaussian:
        """Role distributions (T, A, role_dim) in one battle: obs (T, A, O), last actions (T, A), -1 for none."""
        return self.role_encoder(self.obs_products(obs)[1], last_actions, [1] * len(obs))

    def obs_products(self, obs: Tensor, *further_weights: Tensor) -> tuple[Tensor, ...]:
        """All that starts with a product of the observations: trunk, role encoder, and further weights (..., O)."""
        return joint_linear(obs, self.trunk.obs_weight, self.role_encoder.obs_weight, *further_weights)

    def utilities(self, role: Tensor, states: Tensor, counts: Sequence[int]) -> Tensor:
        """Of all actions, no gradient: role (R, A, role_dim), GRU states (R, A, H) to (R, A, U)."""
        utilities: Tensor = self.role_decoder(
            role.flatten(0, 1), states.flatten(0, 1), [count * role.shape[1] for count in counts]
        )
        return utilities.unflatten(0, states.shape[:-1])

    def utilities_of(self, role: Tensor, states: Tensor, actions: Tensor, counts: Sequence[int]) -> Tensor:
        """Of one action each: role (R, A, role_dim), GRU states (R, A, H), actions (R, A) to (R, A)."""
        utilities: Tensor = self.role_decoder.of_actions(
            role.flatten(0, 1), states.flatten(0, 1), actions.flatten(), [count * role.shape[1] for count in counts]
        )
        return utilities.unflatten(0, states.shape[:-1])
