"""ROMA's objective L = L_TD + lambda_I L_I + lambda_D L_D (Eq. 7), term by term as the paper writes it.

    rho_i    a sample of p(rho_i | o_i) = N(f(o_i))                       Eq. 1         nets/roles.py, RoleEncoder
    Q_tot    the mixed utilities, whose last layer is g(rho_i)            section 3     td_values
    L_TD     (r + gamma Q_tot^-(s', a'*) - Q_tot(s, a))^2                 section 3     base/temporal_difference.py
    L_I      KL(p(rho_i | o_i) || q_xi(rho_i | tau_i, o_i))               Eq. 3         identifiability_loss
    I_ij     log q_xi(rho_i | tau_j, o_j)                                 Eqs. 14, 17   role_information
    d_ij     |d_phi(tau_i, tau_j)|                                        Eq. 4         nets/roles.py, Dissimilarity
    L_D      ||D'||_F - sum over i != j of min(I'_ij + d'_ij, U), U = 1   Eqs. 6, 22    specialisation_loss

I' and D' = (d'_ij) are I and d, scaled to [0, 1] over the pairs of one step. L_TD trains all networks but q_xi and
d_phi. L_I and L_D train only the role encoder, q_xi and d_phi: the trajectory tau, the GRU state h^{t-1}, is detached.

The paper leaves some readings open. Each is a setting: posterior_uses_observation, absolute_dissimilarity, log_density,
pairs, pair_reduction, mask_dead (docs/paper_vs_code.md). The released code's further differences are in `release`.
tests/reference/plain_learner.py has the same losses with one network call a step and explicit loops over pairs.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from roma.learners.base.batch import Batch, PackedBatch
from roma.learners.base.temporal_difference import best_actions, masked_mean, td_loss, td_statistics, td_targets
from roma.learners.roma.config import Config
from roma.learners.roma.networks import RoleNoise, RomaNetworks, Unrolled, unroll
from roma.nets.ops.pairs import pairwise_log_density
from roma.nets.ops.specialisation import capped_sum, min_max_normalised, off_diagonal, specialisation
from roma.nets.roles import Dissimilarity, Gaussian

Statistics = dict[str, Tensor]  # scalars without gradient, by their names in metrics.parquet


class Roles(NamedTuple):
    """Inputs of the role losses, each (R, A, ...), and the number of rows of each time."""

    distribution: Gaussian  # p(rho | o)
    role: Tensor  # rho
    trajectory: Tensor  # tau: h^{t-1}, detached
    posterior: Gaussian  # q_xi(rho | tau, o)
    counts: Sequence[int]


class Specialisation(NamedTuple):
    """L_D and its logged statistics, all scalars."""

    loss: Tensor
    dissimilarity_norm: Tensor  # mean of ||D'||_F
    saturated_share: Tensor  # share of ordered pairs whose I' + d' is capped


class Objective:
    """Objective of Eq. 7, in the readings that a configuration chooses."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(
        self, online: RomaNetworks, target: RomaNetworks, packed: PackedBatch, noise: RoleNoise
    ) -> tuple[Tensor, Statistics]:
        """Return Eq. 7 and its statistics. A role loss of weight 0 is not computed.

        Args:
            online: The networks that learn.
            target: Their target copy.
            packed: The rows that `pack` returns for a batch.
            noise: Standard normal draws of the sampled roles.
        """
        weights = online.trajectory_encoder.obs_weights if self.has_role_losses else ()
        unrolled = unroll(online.agent, packed, noise.online, *weights)
        q_tot, targets = td_values(online, target, packed, unrolled, noise, self.config)
        total = td_loss(q_tot, targets, packed.mask)

        statistics = {"loss_td": total.detach()}
        statistics |= td_statistics(q_tot, targets, packed.mask, packed.actions.shape[-1])
        statistics |= role_statistics(unrolled.distribution, packed.mask, self.config.variance_floor)
        if self.has_role_losses:
            roles = roles_of(online, packed, unrolled)
            weighted, of_roles = self.role_losses(online, roles, self.mask(packed), self.alive(packed))
            total = total + weighted
            statistics |= of_roles
        return total, statistics

    def role_losses(
        self, online: RomaNetworks, roles: Roles, mask: Tensor, alive: Tensor | None
    ) -> tuple[Tensor, Statistics]:
        """Return lambda_I L_I + lambda_D L_D and its statistics.

        Args:
            online: The networks that learn.
            roles: Inputs of the role losses.
            mask: Weight of each row, as the method `mask` returns it, (R,).
            alive: Agents that count, as the method `alive` returns them, (R, A) or None.
        """
        identifiability, of_identifiability = self.identifiability(roles, mask, alive)
        specialisation, of_specialisation = self.specialisation(online, roles, mask, alive)
        return identifiability + specialisation, of_identifiability | of_specialisation

    def identifiability(self, roles: Roles, mask: Tensor, alive: Tensor | None) -> tuple[Tensor, Statistics]:
        """Return lambda_I L_I and its statistics; 0 and no statistics if lambda_I is 0."""
        if not self.config.lambda_identifiability:
            return mask.new_zeros(()), {}
        loss = identifiability_loss(roles.distribution, roles.posterior, mask, alive)
        return self.config.lambda_identifiability * loss, {"loss_identifiability": loss.detach()}

    def specialisation(
        self, online: RomaNetworks, roles: Roles, mask: Tensor, alive: Tensor | None
    ) -> tuple[Tensor, Statistics]:
        """Return lambda_D L_D and its statistics; 0 and no statistics if lambda_D is 0."""
        config = self.config
        if not config.lambda_specialisation:
            return mask.new_zeros(()), {}
        if config.is_paper_specialisation and roles.role.shape[-2] > 1 and mask.device.type == "cpu":
            of_steps = one_pass(online.dissimilarity, roles, mask, config.pair_reduction, config.hinge_weight)
        else:
            pairs = self.information(roles), self.dissimilarity(online, roles)
            of_steps = self.of_pairs(*pairs, mask, alive, config.pair_reduction)
        return config.lambda_specialisation * of_steps.loss, {
            "loss_specialisation": of_steps.loss.detach(),
            "dissimilarity_norm": of_steps.dissimilarity_norm,
            "saturated_pair_share": of_steps.saturated_share,
        }

    def of_pairs(
        self, information: Tensor, dissimilarity: Tensor, mask: Tensor, alive: Tensor | None, reduction: str
    ) -> Specialisation:
        """Return L_D, given I and d of all pairs (R, A, A)."""
        config = self.config
        return specialisation_loss(
            information, dissimilarity, mask, alive, config.pairs, reduction, config.hinge_weight
        )

    @property
    def has_role_losses(self) -> bool:
        """Whether a role loss has a non-zero weight."""
        return bool(self.config.lambda_identifiability or self.config.lambda_specialisation)

    def pack(self, batch: Batch) -> PackedBatch:
        """Return the R rows of a batch from which the losses are computed."""
        return PackedBatch(batch)

    def mask(self, packed: PackedBatch) -> Tensor:
        """Return the weight of each row in the means of the role losses, (R,)."""
        return packed.mask

    def alive(self, packed: PackedBatch) -> Tensor | None:
        """Return the agents that count in the role losses, (R, A); None for all, as in Eqs. 3 and 6."""
        return packed.obs.ne(0).any(-1) if self.config.mask_dead else None

    def information(self, roles: Roles) -> Tensor:
        """Return I_ij, (R, A, A)."""
        return role_information(roles.role, roles.posterior, self.config.log_density)

    def dissimilarity(self, online: RomaNetworks, roles: Roles) -> Tensor:
        """Return d_ij, (R, A, A); (R, 0, 0) without d."""
        dissimilarity: Tensor = online.dissimilarity(roles.trajectory, roles.counts)
        return dissimilarity

    def n_pairs(self, n_agents: Tensor) -> Tensor:
        """Return the number of pairs in the sum of L_D."""
        return n_agents * (n_agents - 1)


def td_values(
    online: RomaNetworks,
    target: RomaNetworks,
    packed: PackedBatch,
    unrolled: Unrolled,
    noise: RoleNoise,
    config: Config,
) -> tuple[Tensor, Tensor]:
    """Return Q_tot of the actions taken and its targets y, (R,) each.

    Args:
        online: The networks that learn.
        target: Their target copy.
        packed: R rows.
        unrolled: Outputs of the online agent network.
        noise: Standard normal draws of the sampled roles.
        config: The learner's configuration.
    """
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


def roles_of(online: RomaNetworks, packed: PackedBatch, unrolled: Unrolled) -> Roles:
    """Return the inputs of the role losses, from the outputs of the online agent network."""
    distribution, role, states, obs_products = unrolled
    trajectory = packed.from_previous(states.detach())  # h^{t-1}: before o^t
    obs_product = obs_products[0] if obs_products else None
    posterior = online.trajectory_encoder(trajectory, obs_product, packed.last_actions, packed.counts)
    return Roles(distribution, role, trajectory, posterior, packed.counts)


def identifiability_loss(role: Gaussian, posterior: Gaussian, mask: Tensor, alive: Tensor | None = None) -> Tensor:
    """Return L_I, Eqs. 3 and 11: KL(role || posterior), mean over agents and real timesteps.

    Args:
        role: p(rho_i | o_i), (..., A, role_dim).
        posterior: q_xi(rho_i | tau_i, o_i), (..., A, role_dim).
        mask: 1 for real timesteps, (...).
        alive: Agents that count, (..., A); None for all.
    """
    divergence = kl_divergence(role, posterior)
    if alive is None:
        return masked_mean(divergence.mean(-1), mask)
    return masked_mean((divergence * alive).sum(-1) / alive.sum(-1).clamp_min(1), mask)


def kl_divergence(role: Gaussian, posterior: Gaussian) -> Tensor:
    """Return KL(role || posterior) of diagonal normals, summed over role dimensions: (..., role_dim) to (...)."""
    ratio = role.variance / posterior.variance
    distance = (role.mean - posterior.mean) ** 2 / posterior.variance
    return 0.5 * (ratio + distance - 1 - ratio.log()).sum(-1)


def role_information(role: Tensor, posterior: Gaussian, log_density: bool = True) -> Tensor:
    """Return I_ij = log q_xi(rho_i | tau_j, o_j) of Eqs. 14 and 17, (..., A, A).

    Args:
        role: Sampled roles rho, (..., A, role_dim).
        posterior: q_xi, (..., A, role_dim).
        log_density: False: I_ij is the density itself, as in Eqs. 6 and 22.
    """
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
    hinge_weight: float = 1.0,
) -> Specialisation:
    """Return L_D, Eqs. 6 and 22: ||D'||_F minus the sum over ordered pairs i != j of min(I'_ij + d'_ij, U), U = 1.

    Args:
        information: I, (..., A, A).
        dissimilarity: d, (..., A, A).
        mask: 1 for real timesteps, (...).
        alive: Agents that count, (..., A); None for all.
        pairs: Pairs over which scaling and norm run: i != j (`offdiag`) or all (`allpairs`).
        reduction: `sum`, or `mean`, which divides the whole of L_D by the number of pairs in its sum. The two differ
            only in the weight of L_D.
        hinge_weight: Weight of the sum over pairs; 1 in the paper.
    """
    agents = information.shape[-1]
    scaled_information, scaled_dissimilarity = scaled_pairs((information, dissimilarity), alive, pairs)
    norm = torch.linalg.vector_norm(scaled_dissimilarity, dim=-1)
    combined = between_agents(scaled_information + scaled_dissimilarity, agents, pairs)
    n_agents = torch.tensor(agents, device=mask.device) if alive is None else alive.sum(-1)
    return hinged(norm, combined, n_agents * (n_agents - 1), mask, reduction, hinge_weight)


def scaled_pairs(matrices: Sequence[Tensor], alive: Tensor | None, pairs: str) -> list[Tensor]:
    """Scale matrices (..., A, A) to [0, 1] over pairs, and return the pairs, (..., P) each.

    P is A (A - 1) for `offdiag` and A * A for `allpairs`. Pairs with an agent that does not count become 0.
    """
    select = off_diagonal if pairs == "offdiag" else partial(torch.flatten, start_dim=-2)
    counted = None if alive is None else select(alive.unsqueeze(-1) & alive.unsqueeze(-2))
    return [min_max_normalised(select(matrix), counted) for matrix in matrices]


def between_agents(values: Tensor, agents: int, pairs: str) -> Tensor:
    """Return the pairs i != j (..., A (A - 1)) of values that `scaled_pairs` returned."""
    return values if pairs == "offdiag" else off_diagonal(values.unflatten(-1, (agents, agents)))


def hinged(
    norm: Tensor, combined: Tensor, n_pairs: Tensor, mask: Tensor, reduction: str, hinge_weight: float
) -> Specialisation:
    """Return L_D, given its norm and the terms of its sum.

    Args:
        norm: ||D'||, (...).
        combined: I' + d' of the P pairs in the sum, (..., P).
        n_pairs: Number of pairs that count, (...).
        mask: Weight of each row, (...).
        reduction: `sum` or `mean`.
        hinge_weight: Weight of the sum over pairs.
    """
    n_pairs = n_pairs.clamp_min(1)  # one agent has no pair
    per_step = norm - hinge_weight * capped_sum(combined)
    if reduction == "mean":
        per_step = per_step / n_pairs
    saturated = (combined.detach() >= 1.0).sum(-1) / n_pairs
    return Specialisation(masked_mean(per_step, mask), masked_mean(norm.detach(), mask), masked_mean(saturated, mask))


def one_pass(network: Dissimilarity, roles: Roles, mask: Tensor, reduction: str, hinge_weight: float) -> Specialisation:
    """Return L_D as `specialisation_loss` does by default, faster, on the CPU: all pairs are formed one step at a time.

    I is the log density, and d comes from `network`. Readers of L_D need only `specialisation_loss`: a test compares
    the kernel, roma.nets.ops.specialisation, with it.
    """
    agents, (first, second) = roles.role.shape[-2], network.parts(roles.trajectory)
    weight, bias = network.output_layer.weight.squeeze(0), network.output_layer.bias
    values, norm, saturated = specialisation(
        roles.role, *roles.posterior, first, second, weight, bias, network.absolute, hinge_weight
    )
    per_step = values / (agents * (agents - 1)) if reduction == "mean" else values
    return Specialisation(*(masked_mean(each, mask) for each in (per_step, norm, saturated)))


@torch.no_grad()
def role_statistics(role: Gaussian, mask: Tensor, variance_floor: float) -> Statistics:
    """Return the mean entropy of the roles in nats, and the share of their variances at the floor."""
    return {
        "role_entropy": masked_mean(role.entropy().mean(-1), mask),
        "variance_floor_share": masked_mean((role.variance <= variance_floor).float().mean((-2, -1)), mask),
    }
