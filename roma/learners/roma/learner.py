"""ROMA (Wang et al., ICML 2020): agents whose utility layer is generated from a role, and the losses on roles.

L = L_TD + lambda_I L_I + lambda_D L_D (Eq. 7). L_TD trains everything but q_xi and d_phi; L_I and L_D train the role
encoder, q_xi and d_phi only, for they read the trajectory, GRU state h^{t-1}, as data.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from roma.envs.vector import EnvInfo
from roma.learners.base.batch import Batch, PackedBatch
from roma.learners.base.learner import Learner as BaseLearner
from roma.learners.base.learner import Networks, RoleRecord
from roma.learners.base.temporal_difference import (
    best_actions,
    masked_mean,
    td_loss,
    td_statistics,
    td_targets,
)
from roma.learners.roma.columns import ROLE_COLUMNS
from roma.learners.roma.config import Config
from roma.nets.mixers import make_mixer
from roma.nets.ops.pairs import pairwise_log_density
from roma.nets.ops.specialisation import capped_sum, min_max_normalised, off_diagonal
from roma.nets.ops.specialisation import specialisation as paper_specialisation
from roma.nets.roles import Dissimilarity, Gaussian, RoleAgent, TrajectoryEncoder
from roma.support import noise
from roma.support.noise import Purpose

LEAST_LOG_DENSITY = -27.8  # of one role dimension, in the released code's L_D
LARGEST_EXPONENT = 2000.0  # the released code's cap inside the softplus


class RomaNetworks(Networks):
    """The acting network (trunk, role encoder f, role decoder g), the mixer, q_xi and d_phi."""

    def __init__(self, config: Config, info: EnvInfo) -> None:
        super().__init__()
        self.agent = RoleAgent(
            info.obs_size,
            info.n_actions,
            info.n_agents,
            config.hidden_dim,
            config.role_dim,
            config.role_hidden,
            config.variance_floor,
            config.role_at_test == "mean",
            config.role_input,
            config.role_layers,
        )
        of_encoder = self.agent.role_encoder.hidden_layer.in_features
        self.trajectory_encoder = TrajectoryEncoder(
            config.hidden_dim + config.posterior_uses_observation * of_encoder,
            config.role_hidden,
            config.role_dim,
            config.variance_floor,
            config.role_layers,
            info.obs_size,
            lead=config.hidden_dim,
        )
        if config.dissimilarity != "none":
            compared = config.hidden_dim if config.dissimilarity == "trajectories" else config.role_dim
            self.dissimilarity = Dissimilarity(
                compared, config.role_hidden, config.absolute_dissimilarity, config.role_layers
            )
        self.mixer = make_mixer(
            config, info.state_size, info.n_agents, info.n_actions if info.state_last_actions else None
        )


class RoleNoise(NamedTuple):
    """Standard normal draws behind the sampled roles, each (B, T+1, A, role_dim)."""

    online: Tensor
    target: Tensor


class Unrolled(NamedTuple):
    """An agent network's passage through whole episodes."""

    distribution: Gaussian  # of roles, (R, A, role_dim)
    role: Tensor  # sampled, (R, A, role_dim)
    states: Tensor  # of the GRU, after each step, (R, A, H)
    obs_products: list[Tensor]  # with further weights, (R, A, ...) each


def unroll(agent: RoleAgent, packed: PackedBatch, noise: Tensor, *further_obs_weights: Tensor) -> Unrolled:
    """Roles and GRU states of all steps. Whatever starts with a product of the observations shares one."""
    weights = agent.role_encoder.obs_weight, *further_obs_weights
    states, of_encoder, *further = agent.trunk(packed.obs, packed.last_actions, packed.counts, *weights)
    distribution: Gaussian = agent.role_encoder(of_encoder, packed.last_actions, packed.counts)
    return Unrolled(distribution, distribution.sample(packed.rows(noise)), states, further)


def loss(
    online: RomaNetworks, target: RomaNetworks, batch: Batch, noise: RoleNoise, config: Config
) -> tuple[Tensor, dict[str, Tensor]]:
    """Eq. 7 and its statistics. A role loss of weight 0 is not computed."""
    return packed_loss(online, target, PackedBatch(batch, every_slot=not config.mask_padding), noise, config)


def td_values(
    online: RomaNetworks,
    target: RomaNetworks,
    packed: PackedBatch,
    unrolled: Unrolled,
    noise: RoleNoise,
    config: Config,
) -> tuple[Tensor, Tensor]:
    """Q_tot of the actions taken and its targets, (R,) each, from the online network's passage through the episodes."""
    _, role, states, _ = unrolled
    q_tot = online.mixer(
        online.agent.utilities_of(role, states, packed.actions, packed.counts), packed.state, packed.last_actions
    )
    with torch.no_grad():
        _, target_role, target_states, _ = unroll(target.agent, packed, noise.target)
        choosing = (online.agent, role, states) if config.double_q else (target.agent, target_role, target_states)
        agent, chooser_role, chooser_states = choosing
        next_utilities = agent.utilities(packed.next(chooser_role), packed.next(chooser_states), packed.counts[1:])
        best = best_actions(next_utilities, packed.next(packed.avail_actions))
        target_utilities = target.agent.utilities_of(
            packed.next(target_role), packed.next(target_states), best, packed.counts[1:]
        )
        target_q_tot = target.mixer(target_utilities, packed.next(packed.state), packed.next(packed.last_actions))
    targets = td_targets(packed.reward, packed.terminated, packed.from_next(target_q_tot), config.gamma)
    return q_tot, targets


def packed_loss(
    online: RomaNetworks, target: RomaNetworks, packed: PackedBatch, noise: RoleNoise, config: Config
) -> tuple[Tensor, dict[str, Tensor]]:
    """`loss` of the rows that it takes from the batch."""
    role_losses = any((config.lambda_identifiability, config.lambda_specialisation, config.entropy_weight))
    obs_weights = [online.trajectory_encoder.obs_weight] if role_losses and config.posterior_uses_observation else []
    unrolled = unroll(online.agent, packed, noise.online, *obs_weights)
    q_tot, targets = td_values(online, target, packed, unrolled, noise, config)
    total = td_loss(q_tot, targets, packed.mask)

    statistics = {"loss_td": total.detach()}
    statistics |= td_statistics(q_tot, targets, packed.mask, packed.actions.shape[-1])
    statistics |= role_statistics(unrolled.distribution, packed.mask, config.variance_floor)
    if role_losses:
        alive = packed.obs.ne(0).any(-1) if config.mask_dead else None
        mask = packed.mask if config.mask_padding else torch.ones_like(packed.mask)
        roles = roles_of(online, packed, unrolled)
        weighted, of_roles = role_losses_of(online, roles, mask, alive, packed.counts, config)
        total = total + weighted
        statistics |= of_roles
    return total, statistics


class Roles(NamedTuple):
    """What the role losses compare, each (R, A, ...)."""

    distribution: Gaussian
    role: Tensor
    trajectory: Tensor  # h^{t-1}, detached
    posterior: Gaussian


class Specialisation(NamedTuple):
    """L_D and what is logged beside it, all scalars."""

    loss: Tensor
    dissimilarity_norm: Tensor  # mean of ||D'||_F
    saturated_share: Tensor  # share of ordered pairs whose I' + d' is capped


def roles_of(online: RomaNetworks, packed: PackedBatch, unrolled: Unrolled) -> Roles:
    """What the role losses compare, from the online network's passage through the episodes."""
    distribution, role, states, obs_products = unrolled
    trajectory = packed.from_previous(states.detach())  # h^{t-1}: before o^t
    obs_product = obs_products[0] if obs_products else None
    posterior = online.trajectory_encoder(trajectory, obs_product, packed.last_actions, packed.counts)
    return Roles(distribution, role, trajectory, posterior)


def role_losses_of(
    online: RomaNetworks, roles: Roles, mask: Tensor, alive: Tensor | None, counts: Sequence[int], config: Config
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum of the role losses and its statistics; mask (R,), alive (R, A) or None, rows of each time."""
    distribution, role, _, posterior = roles
    total, statistics = role.new_zeros(()), {}
    if config.lambda_identifiability or config.entropy_weight:
        identifiability = identifiability_loss(distribution, posterior, mask, alive)
        statistics["loss_identifiability"] = identifiability.detach()
        if config.softplus_identifiability:
            total = softplus_identifiability(distribution, posterior, mask, counts, config)
        else:
            total = config.lambda_identifiability * identifiability
            if config.entropy_weight:
                total = total + config.entropy_weight * masked_mean(distribution.entropy().mean(-1), mask)
    if config.lambda_specialisation:
        specialisation = specialisation_of(online, roles, mask, alive, counts, config)
        total = total + config.lambda_specialisation * specialisation.loss
        statistics["loss_specialisation"] = specialisation.loss.detach()
        statistics["dissimilarity_norm"] = specialisation.dissimilarity_norm
        statistics["saturated_pair_share"] = specialisation.saturated_share
    return total, statistics


def specialisation_of(
    online: RomaNetworks, roles: Roles, mask: Tensor, alive: Tensor | None, counts: Sequence[int], config: Config
) -> Specialisation:
    """L_D as the configuration has it, in one pass where that is the paper's reading."""
    if config.is_paper_specialisation and roles.role.shape[-2] > 1 and roles.role.device.type == "cpu":
        first, second = online.dissimilarity.parts(roles.trajectory)
        output, absolute = online.dissimilarity.output_layer, config.absolute_dissimilarity
        values, norm, saturated = paper_specialisation(
            roles.role,
            *roles.posterior,
            first,
            second,
            output.weight.squeeze(0),
            output.bias,
            absolute,
            config.hinge_weight,
        )
        agents = roles.role.shape[-2]
        per_step = values / (agents * (agents - 1)) if config.pair_reduction == "mean" else values
        return Specialisation(*(masked_mean(each, mask) for each in (per_step, norm, saturated)))
    information = information_of(roles, config)
    dissimilarity = dissimilarity_of(online, roles, counts, config)
    return specialisation_loss(
        information,
        torch.zeros_like(information) if dissimilarity is None else dissimilarity,
        mask,
        alive,
        config.pairs,
        config.pair_reduction,
        config.matrix_norm,
        config.hinge_counts_self,
        config.hinge_weight,
    )


def information_of(roles: Roles, config: Config) -> Tensor:
    """I_ij as the configuration has it, (R, A, A)."""
    if config.information == "posterior":
        return role_information(roles.role, roles.posterior, config.log_density)
    return released_information(roles.distribution, roles.role)


def dissimilarity_of(online: RomaNetworks, roles: Roles, counts: Sequence[int], config: Config) -> Tensor | None:
    """d_ij as the configuration has it, (R, A, A); None where it has none."""
    if config.dissimilarity == "none":
        return None
    compared = roles.trajectory if config.dissimilarity == "trajectories" else roles.role
    dissimilarity: Tensor = online.dissimilarity(compared, counts)
    return dissimilarity


def softplus_identifiability(
    role: Gaussian, posterior: Gaussian, mask: Tensor, counts: Sequence[int], config: Config
) -> Tensor:
    """What the release has in the place of L_I: softplus of weighted KL and entropy, both means of a time's rows."""
    values = config.lambda_identifiability * kl_divergence(role, posterior) + config.entropy_weight * role.entropy()
    of_times = [
        functional.softplus(masked_mean(rows.mean(-1), real).clamp_max(LARGEST_EXPONENT)) * real.sum()
        for rows, real in zip(values.split(list(counts)), mask.split(list(counts)), strict=True)
        if real.any()
    ]
    return torch.stack(of_times).sum() / mask.sum()


def released_information(role: Gaussian, sample: Tensor) -> Tensor:
    """I_ij of the release: log p_i(rho_j), floored, mean over role dimensions; (..., A, role_dim) to (..., A, A)."""
    mean, variance = role.mean.unsqueeze(-2), role.variance.unsqueeze(-2)
    log_density = -0.5 * ((sample.unsqueeze(-3) - mean) ** 2 / variance + (2 * math.pi * variance).log())
    return log_density.clamp_min(LEAST_LOG_DENSITY).mean(-1)


def identifiability_loss(role: Gaussian, posterior: Gaussian, mask: Tensor, alive: Tensor | None = None) -> Tensor:
    """L_I, Eqs. 3 and 11: KL from the role to its posterior given the trajectory, mean over agents and real steps.

    Distributions (..., A, role_dim), mask (...), alive (..., A) or None where every agent counts.
    """
    divergence = kl_divergence(role, posterior)
    if alive is None:
        return masked_mean(divergence.mean(-1), mask)
    return masked_mean((divergence * alive).sum(-1) / alive.sum(-1).clamp_min(1), mask)


def kl_divergence(role: Gaussian, posterior: Gaussian) -> Tensor:
    """KL(role || posterior) of diagonal normals, summed over role dimensions: (..., role_dim) to (...)."""
    ratio = role.variance / posterior.variance
    distance = (role.mean - posterior.mean) ** 2 / posterior.variance
    return 0.5 * (ratio + distance - 1 - ratio.log()).sum(-1)


def role_information(role: Tensor, posterior: Gaussian, log_density: bool = True) -> Tensor:
    """I_ij of Eqs. 14 and 17: log q_xi(rho_i | tau_j, o_j), or the density; (..., A, role_dim) to (..., A, A)."""
    of_pairs = pairwise_log_density(*(each.flatten(0, -3) for each in (role, *posterior)))
    information = of_pairs.unflatten(0, role.shape[:-2])
    return information if log_density else information.exp()


def specialisation_loss(
    information: Tensor,
    dissimilarity: Tensor,
    mask: Tensor,
    alive: Tensor | None = None,
    pairs: str = "offdiag",
    reduction: str = "sum",
    matrix_norm: str = "frobenius",
    hinge_counts_self: bool = False,
    hinge_weight: float = 1.0,
) -> Specialisation:
    """L_D, Eqs. 6 and 22: ||D'||_F minus the sum over ordered pairs i != j of min(I'_ij + d'_ij, U), U = 1.

    I and d (..., A, A) are scaled to [0, 1] over the pairs of one episode and step. mask (...), alive (..., A). With
    the reduction `mean` the whole of L_D is divided by the number of pairs in that sum, so that it differs from `sum`
    by its weight alone. The other switches are roma_config's.
    """
    agents = information.shape[-1]
    select = off_diagonal if pairs == "offdiag" else partial(torch.flatten, start_dim=-2)
    counted = None if alive is None else select(alive.unsqueeze(-1) & alive.unsqueeze(-2))
    scaled_information = min_max_normalised(select(information), counted)
    scaled_dissimilarity = min_max_normalised(select(dissimilarity), counted)
    norm = torch.linalg.vector_norm(scaled_dissimilarity, 2 if matrix_norm == "frobenius" else 1, dim=-1)

    combined = scaled_information + scaled_dissimilarity
    if pairs == "allpairs" and not hinge_counts_self:
        combined = off_diagonal(combined.unflatten(-1, (agents, agents)))
    capped = capped_sum(combined)
    n_agents = torch.tensor(agents, device=mask.device) if alive is None else alive.sum(-1)
    n_pairs = (n_agents * (n_agents if hinge_counts_self else n_agents - 1)).clamp_min(1)  # one agent has no pair
    per_step = norm - hinge_weight * capped
    if reduction == "mean":
        per_step = per_step / n_pairs
    saturated = (combined.detach() >= 1.0).sum(-1) / n_pairs
    return Specialisation(masked_mean(per_step, mask), masked_mean(norm.detach(), mask), masked_mean(saturated, mask))


@torch.no_grad()
def role_statistics(role: Gaussian, mask: Tensor, variance_floor: float) -> dict[str, Tensor]:
    """Mean entropy of the role distributions in nats, and the share of their variances that lie at the floor."""
    return {
        "role_entropy": masked_mean(role.entropy().mean(-1), mask),
        "variance_floor_share": masked_mean((role.variance <= variance_floor).float().mean((-2, -1)), mask),
    }


class Learner(BaseLearner[Config, RomaNetworks]):
    """ROMA by the paper's equations, and its ablations by the weights of the role losses."""

    stat_names = (
        "loss",
        "loss_td",
        "loss_identifiability",
        "loss_specialisation",
        "grad_norm",
        "td_error_abs",
        "q_taken_mean",
        "target_mean",
        "q_tot_mean",
        "role_entropy",
        "variance_floor_share",
        "dissimilarity_norm",
        "saturated_pair_share",
    )

    diagnostic_names = tuple(ROLE_COLUMNS)

    def build_networks(self) -> RomaNetworks:
        return RomaNetworks(self.config, self.info)

    def roles(self, obs: Tensor, last_actions: Tensor) -> tuple[Tensor, Tensor]:
        return self.online.agent.roles(obs, last_actions)

    def role_records(self, obs: Sequence[Tensor], last_actions: Sequence[Tensor]) -> list[RoleRecord]:
        """See `NetworkLearner`. Where hidden layers are normalised, a round passes through them as it was played.

        Battles that have ended show zeros and no last action to those that go on.
        """
        if self.config.role_layers == "relu":
            return [self._role_record(*battle, 1) for battle in zip(obs, last_actions, strict=True)]
        seen, before = pad_sequence(list(obs)), pad_sequence(list(last_actions), padding_value=-1)
        record = self._role_record(seen.flatten(0, 1), before.flatten(0, 1), len(obs))
        of_battles = zip(*(each.unflatten(0, (-1, len(obs))).unbind(1) for each in record), strict=True)
        return [RoleRecord(*(each[: len(own)] for each in battle)) for battle, own in zip(of_battles, obs, strict=True)]

    @torch.inference_mode()
    def _role_record(self, obs: Tensor, last_actions: Tensor, battles: int) -> RoleRecord:
        """The record of battles of equal length as rows (T * E, ...), those of each time together."""
        online, config, counts = self.online, self.config, [battles] * (len(obs) // battles)
        obs_weights = [online.trajectory_encoder.obs_weight] if config.posterior_uses_observation else []
        weights = online.agent.role_encoder.obs_weight, *obs_weights
        states, of_encoder, *further = online.agent.trunk(obs, last_actions, counts, *weights)
        distribution: Gaussian = online.agent.role_encoder(of_encoder, last_actions, counts)
        trajectory = torch.cat([torch.zeros_like(states[:battles]), states[:-battles]])
        posterior = online.trajectory_encoder(trajectory, further[0] if further else None, last_actions, counts)
        roles = Roles(distribution, distribution.mean, trajectory, posterior)
        information, dissimilarity = information_of(roles, config), dissimilarity_of(online, roles, counts, config)
        return RoleRecord(
            *distribution,
            trajectory,
            kl_divergence(distribution, posterior),
            information,
            information[:, :0, :0] if dissimilarity is None else dissimilarity,
        )

    def policy_tensors(self) -> dict[str, Tensor]:
        weights: dict[str, Tensor] = self.online.state_dict()
        judging = ("trajectory_encoder.", "dissimilarity.")
        return super().policy_tensors() | {name: weights[name] for name in weights if name.startswith(judging)}

    def diagnostics(self, batch: Batch, unit_types: Sequence[Sequence[str]], key: int) -> dict[str, float]:
        from roma.learners.roma.health import EPISODES, role_health  # which imports the losses above

        few, names = batch.first(EPISODES), [each[: self.info.n_agents] for each in unit_types[:EPISODES]]
        kinds = sorted({name for each in names for name in each})
        types = torch.tensor([[kinds.index(name) for name in each] for each in names], device=self.device)
        role_noise = self.draw_noise(few, key)
        found = role_health(self.online, self.target, few, role_noise, types, self.config)
        values = torch.stack(list(found.values())).tolist()
        # every NaN as the same bits: a run that is read from a checkpoint must write the same file
        return {name: math.nan if math.isnan(value) else value for name, value in zip(found, values, strict=True)}

    def draw_noise(self, batch: Batch, key: int) -> RoleNoise:
        episodes, steps, agents, _ = batch.obs.shape

        def drawn(purpose: Purpose) -> Tensor:
            """Agents are numbered through all episodes: what is drawn does not depend on the longest one's length."""
            of_steps = noise.normals(purpose, [key], steps, episodes * agents, self.config.role_dim)[0]
            return torch.from_numpy(of_steps).unflatten(1, (episodes, agents)).transpose(0, 1).to(self.device)

        return RoleNoise(drawn(Purpose.ROLE), drawn(Purpose.TARGET_ROLE))

    def loss(self, batch: Batch, noise: RoleNoise) -> tuple[Tensor, dict[str, Tensor]]:
        return loss(self.online, self.target, batch, noise, self.config)
