"""ROMA's networks, and their forward pass over whole episodes. Shapes as in PackedBatch: R rows, A agents, H units."""

from typing import NamedTuple

from torch import Tensor

from roma.envs.vector import EnvInfo
from roma.learners.base.batch import PackedBatch
from roma.learners.base.learner import Networks
from roma.learners.roma.config import Config
from roma.nets.mixers import Mixer, make_mixer
from roma.nets.released_roles import NormalisedDissimilarity, StepNormalisation
from roma.nets.roles import Dissimilarity, Gaussian, Rectifier, RoleAgent, TrajectoryEncoder


class RomaNetworks(Networks):
    """The acting network (trunk, role encoder f, role decoder g), the mixer, q_xi and d_phi."""

    agent: RoleAgent
    mixer: Mixer

    def __init__(self, config: Config, info: EnvInfo) -> None:
        super().__init__()
        activation = Rectifier if config.role_layers == "relu" else StepNormalisation
        self.agent = RoleAgent(
            info.obs_size,
            info.n_actions,
            info.n_agents,
            config.hidden_dim,
            config.role_dim,
            config.role_hidden,
            config.variance_floor,
            config.role_at_test == "mean",
            config.role_input == "everything",
            activation,
        )
        of_encoder = self.agent.role_encoder.hidden_layer.in_features
        self.trajectory_encoder = TrajectoryEncoder(
            config.hidden_dim + config.posterior_uses_observation * of_encoder,
            config.role_hidden,
            config.role_dim,
            config.variance_floor,
            info.obs_size,
            config.hidden_dim,
            activation,
        )
        if config.dissimilarity != "none":
            compared = config.hidden_dim if config.dissimilarity == "trajectories" else config.role_dim
            kind = Dissimilarity if config.role_layers == "relu" else NormalisedDissimilarity
            self.dissimilarity = kind(compared, config.role_hidden, config.absolute_dissimilarity)
        self.mixer = make_mixer(
            config, info.state_size, info.n_agents, info.n_actions if info.state_last_actions else None
        )


class RoleNoise(NamedTuple):
    """Standard normal draws of the sampled roles, each (B, T+1, A, role_dim)."""

    online: Tensor
    target: Tensor


class Unrolled(NamedTuple):
    """Outputs of an agent network for whole episodes."""

    distribution: Gaussian  # distribution of roles (Eq. 1), (R, A, role_dim)
    role: Tensor  # sampled roles, (R, A, role_dim)
    states: Tensor  # states of the GRU after each step, (R, A, H)
    obs_products: list[Tensor]  # products of the observations with each further weight, (R, A, ...)


def unroll(agent: RoleAgent, packed: PackedBatch, noise: Tensor, *further_obs_weights: Tensor) -> Unrolled:
    """Return roles and GRU states of all steps. All layers that read observations share one matrix product.

    Args:
        agent: The acting network.
        packed: R rows of whole episodes.
        noise: Standard normal draws of the sampled roles, (B, T+1, A, role_dim).
        further_obs_weights: Weights (K, O) of other layers that read the observations.
    """
    weights = agent.role_encoder.obs_weight, *further_obs_weights
    states, of_encoder, *further = agent.trunk(packed.obs, packed.last_actions, packed.counts, *weights)
    distribution: Gaussian = agent.role_encoder(of_encoder, packed.last_actions, packed.counts)
    return Unrolled(distribution, distribution.sample(packed.rows(noise)), states, further)
