"""Differences of the authors' released code (TonghanWang/ROMA, revision 2d60448) from all readings of the paper.

`roma` does not use this module: `make_objective` chooses the objective once, when a learner is made. Each difference
has its own switch, so that its effect can be measured separately. `dissimilarity=none`, which removes d, is ours.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from roma.learners.base.batch import Batch, PackedBatch
from roma.learners.base.roles import RoleRecord
from roma.learners.base.temporal_difference import masked_mean
from roma.learners.roma.config import Config
from roma.learners.roma.losses import (
    Objective,
    Roles,
    Specialisation,
    Statistics,
    between_agents,
    hinged,
    identifiability_loss,
    kl_divergence,
    scaled_pairs,
)
from roma.learners.roma.networks import RomaNetworks
from roma.nets.roles import Gaussian

SWITCHES = (  # without role_input, which only the networks depend on
    "mask_padding",
    "role_layers",
    "information",
    "dissimilarity",
    "matrix_norm",
    "hinge_counts_self",
    "entropy_weight",
    "softplus_identifiability",
)
LEAST_LOG_DENSITY = -27.8  # floor of the log density of one role dimension, in L_D
LARGEST_EXPONENT = 2000.0  # cap of the softplus's argument


def make_objective(config: Config) -> Objective:
    """Return the paper's objective, or the released one if a switch differs from the paper."""
    paper = Config()
    departs = any(getattr(config, name) != getattr(paper, name) for name in SWITCHES)
    return ReleasedObjective(config) if departs else Objective(config)


class ReleasedObjective(Objective):
    """The paper's objective, with the released code's version of each part whose switch is set."""

    @property
    def has_role_losses(self) -> bool:
        return super().has_role_losses or bool(self.config.entropy_weight)

    def pack(self, batch: Batch) -> PackedBatch:
        return PackedBatch(batch, every_slot=not self.config.mask_padding)

    def mask(self, packed: PackedBatch) -> Tensor:
        return packed.mask if self.config.mask_padding else torch.ones_like(packed.mask)

    def identifiability(self, roles: Roles, mask: Tensor, alive: Tensor | None) -> tuple[Tensor, Statistics]:
        """Return the weighted L_I and entropy, and statistics; 0 and no statistics if both weights are 0."""
        config, role, posterior = self.config, roles.distribution, roles.posterior
        if not (config.lambda_identifiability or config.entropy_weight):
            return mask.new_zeros(()), {}
        loss = identifiability_loss(role, posterior, mask, alive)
        statistics = {"loss_identifiability": loss.detach()}
        if config.softplus_identifiability:
            return softplus_identifiability(role, posterior, mask, roles.counts, config), statistics
        weighted = config.lambda_identifiability * loss
        if config.entropy_weight:
            weighted = weighted + config.entropy_weight * masked_mean(role.entropy().mean(-1), mask)
        return weighted, statistics

    def of_pairs(
        self, information: Tensor, dissimilarity: Tensor, mask: Tensor, alive: Tensor | None, reduction: str
    ) -> Specialisation:
        config, agents = self.config, information.shape[-1]
        if config.dissimilarity == "none":
            dissimilarity = torch.zeros_like(information)
        scaled_information, scaled_dissimilarity = scaled_pairs((information, dissimilarity), alive, config.pairs)
        order = 2 if config.matrix_norm == "frobenius" else 1
        norm = torch.linalg.vector_norm(scaled_dissimilarity, order, dim=-1)
        combined = scaled_information + scaled_dissimilarity
        if not config.hinge_counts_self:
            combined = between_agents(combined, agents, config.pairs)
        n_agents = torch.tensor(agents, device=mask.device) if alive is None else alive.sum(-1)
        return hinged(norm, combined, self.n_pairs(n_agents), mask, reduction, config.hinge_weight)

    def information(self, roles: Roles) -> Tensor:
        if self.config.information == "posterior":
            return super().information(roles)
        return released_information(roles.distribution, roles.role)

    def dissimilarity(self, online: RomaNetworks, roles: Roles) -> Tensor:
        if self.config.dissimilarity == "none":
            return roles.role.new_empty(len(roles.role), 0, 0)
        if self.config.dissimilarity == "trajectories":
            return super().dissimilarity(online, roles)
        dissimilarity: Tensor = online.dissimilarity(roles.role, roles.counts)
        return dissimilarity

    def n_pairs(self, n_agents: Tensor) -> Tensor:
        return n_agents * n_agents if self.config.hinge_counts_self else super().n_pairs(n_agents)


def softplus_identifiability(
    role: Gaussian, posterior: Gaussian, mask: Tensor, counts: Sequence[int], config: Config
) -> Tensor:
    """Return the release's variant of L_I: the softplus of the weighted divergence and entropy.

    The softplus is applied at each time, to the mean over the rows and agents of that time.

    Args:
        role: p(rho_i | o_i), (R, A, role_dim).
        posterior: q_xi, (R, A, role_dim).
        mask: 1 for rows that count, (R,).
        counts: Number of rows of each time.
        config: The learner's configuration.
    """
    values = config.lambda_identifiability * kl_divergence(role, posterior) + config.entropy_weight * role.entropy()
    of_times = [
        functional.softplus(masked_mean(rows.mean(-1), real).clamp_max(LARGEST_EXPONENT)) * real.sum()
        for rows, real in zip(values.split(list(counts)), mask.split(list(counts)), strict=True)
        if real.any()
    ]
    return torch.stack(of_times).sum() / mask.sum()


def released_information(role: Gaussian, sample: Tensor) -> Tensor:
    """Return I_ij of the release: log p_i(rho_j), floored, mean over dimensions; (..., A, role_dim) to (..., A, A)."""
    mean, variance = role.mean.unsqueeze(-2), role.variance.unsqueeze(-2)
    log_density = -0.5 * ((sample.unsqueeze(-3) - mean) ** 2 / variance + (2 * math.pi * variance).log())
    return log_density.clamp_min(LEAST_LOG_DENSITY).mean(-1)


def records_of_round(
    record: Callable[[Tensor, Tensor, int], RoleRecord], obs: Sequence[Tensor], last_actions: Sequence[Tensor]
) -> list[RoleRecord]:
    """Record parallel episodes together, because they influence each other through batch normalisation.

    Ended episodes take part with zeros and no last action.

    Args:
        record: Function that makes one record of E episodes of equal length, given as rows (T * E, ...) sorted by time.
        obs: Observations of each episode, (T, A, O).
        last_actions: Last actions of each episode, (T, A), -1 for none.
    """
    seen, before = pad_sequence(list(obs)), pad_sequence(list(last_actions), padding_value=-1)
    of_round = record(seen.flatten(0, 1), before.flatten(0, 1), len(obs))
    of_episodes = zip(*(each.unflatten(0, (-1, len(obs))).unbind(1) for each in of_round), strict=True)
    return [RoleRecord(*(each[: len(own)] for each in episode)) for episode, own in zip(of_episodes, obs, strict=True)]
