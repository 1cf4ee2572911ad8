"""How healthy ROMA's role losses are: the columns of role_columns, measured on a few episodes. Nothing is trained here.

Shapes: R rows, of real steps or of whatever slots the losses take; A agents; P = A(A - 1) ordered pairs of two agents.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from roma.learners.base.batch import Batch, PackedBatch
from roma.learners.base.temporal_difference import masked_mean, td_loss
from roma.learners.roma.columns import HIGH_INFORMATION
from roma.learners.roma.config import Config
from roma.learners.roma.learner import (
    RoleNoise,
    RomaNetworks,
    dissimilarity_of,
    information_of,
    kl_divergence,
    role_losses_of,
    roles_of,
    specialisation_loss,
    td_values,
    unroll,
)
from roma.nets.ops.specialisation import min_max_normalised, off_diagonal

EPISODES = 8  # of a batch, the first
QUANTILES = {"q05": 0.05, "q10": 0.1, "q50": 0.5}


def role_health(
    online: RomaNetworks, target: RomaNetworks, batch: Batch, noise: RoleNoise, unit_types: Tensor, config: Config
) -> dict[str, Tensor]:
    """Measure the columns of role_columns, all scalars. The parameters' `grad` stays as it is.

    Args:
        online: the learner's networks.
        target: their target copy.
        batch: B episodes.
        noise: the draws behind the sampled roles.
        unit_types: a number for each agent's type, (B, A) int64.
        config: the learner's hyper-parameters.
    """
    packed = PackedBatch(batch, every_slot=not config.mask_padding)
    encoder = online.agent.role_encoder
    obs_weights = [online.trajectory_encoder.obs_weight] if config.posterior_uses_observation else []
    with torch.no_grad():
        unrolled = unroll(online.agent, packed, noise.online, *obs_weights)
        roles = roles_of(online, packed, unrolled)
    # Gradients go to the role encoder alone: through roles, whose product with the observations is its own here.
    product = functional.linear(packed.obs, encoder.obs_weight)
    distribution = encoder(product, packed.last_actions, packed.counts)
    role = distribution.sample(packed.rows(noise.online))
    unrolled = unrolled._replace(distribution=distribution, role=role)
    roles = roles._replace(distribution=distribution, role=role)
    living = packed.obs.ne(0).any(-1)  # (R, A)
    alive = living if config.mask_dead else None
    loss_mask = packed.mask if config.mask_padding else torch.ones_like(packed.mask)

    without_specialisation = replace(config, lambda_specialisation=0.0)
    without_identifiability = replace(config, lambda_identifiability=0.0, entropy_weight=0.0)
    losses = {
        "td": td_loss(*td_values(online, target, packed, unrolled, noise, config), packed.mask),
        "identifiability": role_losses_of(online, roles, loss_mask, alive, packed.counts, without_specialisation)[0],
        "specialisation": role_losses_of(online, roles, loss_mask, alive, packed.counts, without_identifiability)[0],
    }
    found = {f"role_gradient_{name}": gradient_norm(loss, encoder) for name, loss in losses.items()}
    with torch.no_grad():
        types = packed.rows(unit_types.unsqueeze(1).expand(-1, batch.obs.shape[1], -1))
        information = information_of(roles, config)
        dissimilarity = dissimilarity_of(online, roles, packed.counts, config)
        found |= of_agents(
            {
                "role_variance": roles.distribution.variance.mean(-1),
                "posterior_variance": roles.posterior.variance.mean(-1),
                "role_divergence": kl_divergence(roles.distribution, roles.posterior),
            },
            packed.mask.bool(),
            living,
        )
        found |= of_pairs(information, dissimilarity, packed.mask.bool(), living, types, config)
        found["specialisation_gap"] = specialisation_gap(information, dissimilarity, packed.mask, alive, config)
    return found


def gradient_norm(loss: Tensor, module: nn.Module) -> Tensor:
    """Norm of a loss's gradient with respect to a module's parameters; NaN of a loss that is not computed."""
    if not loss.requires_grad:
        return torch.full_like(loss, torch.nan)
    gradients = torch.autograd.grad(loss, list(module.parameters()), retain_graph=True)
    return torch.stack([gradient.norm() for gradient in gradients]).norm()


def of_agents(values: dict[str, Tensor], real: Tensor, living: Tensor) -> dict[str, Tensor]:
    """Means of values (R, A) over the agents of real rows (R,), and over the living ones (R, A) of them."""
    return {name: each[real].mean() for name, each in values.items()} | {
        f"{name}_living": each[real][living[real]].mean() for name, each in values.items()
    }


def of_pairs(
    information: Tensor, dissimilarity: Tensor | None, real: Tensor, living: Tensor, types: Tensor, config: Config
) -> dict[str, Tensor]:
    """What I' and d' say: I and d (R, A, A), real (R,), living and types (R, A)."""
    both_living = off_diagonal(living.unsqueeze(-1) & living.unsqueeze(-2))[real]  # (R, P)
    one_type = off_diagonal(types.unsqueeze(-1) == types.unsqueeze(-2))[real]
    taken = both_living if config.mask_dead else torch.ones_like(both_living)
    scaled = normalised_pairs(information[real], living[real], config)
    apart = torch.full_like(scaled, torch.nan)
    if dissimilarity is not None:
        apart = normalised_pairs(dissimilarity[real], living[real], config)
    found: dict[str, Tensor] = {}
    for ending, pairs in (("", taken), ("_living", both_living)):
        values = scaled[pairs]
        quantiles = values.new_tensor(np.quantile(values.cpu().numpy(), list(QUANTILES.values())))  # torch's sorts all
        found |= {
            f"information_{name}{ending}": value for name, value in zip(QUANTILES, quantiles.unbind(), strict=True)
        }
        found[f"information_high_share{ending}"] = (values >= HIGH_INFORMATION).to(values.dtype).mean()
        found[f"dissimilarity_between_types{ending}"] = apart[pairs & ~one_type].mean()
        found[f"dissimilarity_within_types{ending}"] = apart[pairs & one_type].mean()
    return found


def normalised_pairs(values: Tensor, living: Tensor, config: Config) -> Tensor:
    """Pairs of two agents (R, P) of values (R, A, A), scaled to [0, 1] over the pairs that L_D scales them over."""
    agents = values.shape[-1]
    counted = (living.unsqueeze(-1) & living.unsqueeze(-2)) if config.mask_dead else None
    if config.pairs == "offdiag":
        return min_max_normalised(off_diagonal(values), None if counted is None else off_diagonal(counted))
    scaled = min_max_normalised(values.flatten(-2), None if counted is None else counted.flatten(-2))
    return off_diagonal(scaled.unflatten(-1, (agents, agents)))


def specialisation_gap(
    information: Tensor, dissimilarity: Tensor | None, mask: Tensor, alive: Tensor | None, config: Config
) -> Tensor:
    """L_D summed over pairs minus its least value; I and d (R, A, A), mask (R,), alive (R, A) or None.

    Its least value: every pair is capped at 1, and the norm is 1 by the one pair whose d' the normalisation makes 1.
    """
    summed = specialisation_loss(
        information,
        torch.zeros_like(information) if dissimilarity is None else dissimilarity,
        mask,
        alive,
        config.pairs,
        "sum",
        config.matrix_norm,
        config.hinge_counts_self,
        config.hinge_weight,
    ).loss
    agents = torch.full_like(mask, information.shape[-1]) if alive is None else alive.sum(-1)
    pairs = agents * (agents if config.hinge_counts_self else agents - 1)
    least = (min(1.0, config.hinge_weight) - config.hinge_weight * pairs) * (agents > 1)
    return summed - masked_mean(least, mask)
