"""Health of ROMA's role losses: the metrics of `columns`, measured on a few episodes without training.

Shapes: R rows of the losses (real timesteps or, as in the release, all slots); A agents; P = A(A - 1) ordered pairs.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from roma.learners.base.batch import Batch
from roma.learners.base.temporal_difference import masked_mean, td_loss
from roma.learners.roma.columns import HIGH_INFORMATION
from roma.learners.roma.config import Config
from roma.learners.roma.losses import (
    Objective,
    between_agents,
    kl_divergence,
    roles_of,
    scaled_pairs,
    td_values,
)
from roma.learners.roma.networks import RoleNoise, RomaNetworks, unroll
from roma.nets.ops.specialisation import off_diagonal

EPISODES = 8  # number of episodes, the first ones of a batch
QUANTILES = {"q05": 0.05, "q10": 0.1, "q50": 0.5}


def role_health(
    online: RomaNetworks, target: RomaNetworks, batch: Batch, noise: RoleNoise, unit_types: Tensor, objective: Objective
) -> dict[str, Tensor]:
    """Return the metrics of `columns`, all scalars. The `grad` of parameters is not changed.

    Args:
        online: The learner's networks.
        target: Their target copy.
        batch: B episodes.
        noise: Standard normal draws of the sampled roles.
        unit_types: Index of each agent's unit type, (B, A) int64.
        objective: The learner's objective.
    """
    packed, encoder, config = objective.pack(batch), online.agent.role_encoder, objective.config
    with torch.no_grad():
        unrolled = unroll(online.agent, packed, noise.online, *online.trajectory_encoder.obs_weights)
        roles = roles_of(online, packed, unrolled)
    # The roles are computed again with a product of the encoder's own, so that only the encoder gets gradients.
    product = functional.linear(packed.obs, encoder.obs_weight)
    distribution = encoder(product, packed.last_actions, packed.counts)
    role = distribution.sample(packed.rows(noise.online))
    unrolled = unrolled._replace(distribution=distribution, role=role)
    roles = roles._replace(distribution=distribution, role=role)
    living = packed.obs.ne(0).any(-1)  # (R, A)
    mask, alive = objective.mask(packed), objective.alive(packed)

    losses = {
        "td": td_loss(*td_values(online, target, packed, unrolled, noise, config), packed.mask),
        "identifiability": objective.identifiability(roles, mask, alive)[0],
        "specialisation": objective.specialisation(online, roles, mask, alive)[0],
    }
    found = {f"role_gradient_{name}": gradient_norm(loss, encoder) for name, loss in losses.items()}
    with torch.no_grad():
        types = packed.rows(unit_types.unsqueeze(1).expand(-1, batch.obs.shape[1], -1))
        information, dissimilarity = objective.information(roles), objective.dissimilarity(online, roles)
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
        found["specialisation_gap"] = specialisation_gap(information, dissimilarity, packed.mask, alive, objective)
    return found


def gradient_norm(loss: Tensor, module: nn.Module) -> Tensor:
    """Return the norm of a loss's gradient with respect to a module's parameters; NaN for a loss of weight 0."""
    if not loss.requires_grad:
        return torch.full_like(loss, torch.nan)
    gradients = torch.autograd.grad(loss, list(module.parameters()), retain_graph=True)
    return torch.stack([gradient.norm() for gradient in gradients]).norm()


def of_agents(values: dict[str, Tensor], real: Tensor, living: Tensor) -> dict[str, Tensor]:
    """Return the means of values (R, A) over all agents, and over living agents (R, A), of real rows (R,)."""
    return {name: each[real].mean() for name, each in values.items()} | {
        f"{name}_living": each[real][living[real]].mean() for name, each in values.items()
    }


def of_pairs(
    information: Tensor, dissimilarity: Tensor, real: Tensor, living: Tensor, types: Tensor, config: Config
) -> dict[str, Tensor]:
    """Return the metrics of I' and d'.

    Args:
        information: I, (R, A, A).
        dissimilarity: d, (R, A, A); (R, 0, 0) without d.
        real: Real rows, (R,).
        living: Living agents, (R, A).
        types: Index of each agent's unit type, (R, A).
        config: The learner's configuration.
    """
    both_living = off_diagonal(living.unsqueeze(-1) & living.unsqueeze(-2))[real]  # (R, P)
    one_type = off_diagonal(types.unsqueeze(-1) == types.unsqueeze(-2))[real]
    taken = both_living if config.mask_dead else torch.ones_like(both_living)
    scaled = normalised_pairs(information[real], living[real], config)
    apart = torch.full_like(scaled, torch.nan)
    if dissimilarity.shape[-1]:
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
    """Return the pairs i != j (R, P) of values (R, A, A), scaled to [0, 1] as in L_D."""
    (scaled,) = scaled_pairs([values], living if config.mask_dead else None, config.pairs)
    return between_agents(scaled, values.shape[-1], config.pairs)


def specialisation_gap(
    information: Tensor, dissimilarity: Tensor, mask: Tensor, alive: Tensor | None, objective: Objective
) -> Tensor:
    """Return L_D summed over pairs minus its least value.

    At the least value, every pair is capped at 1, and the norm is 1, because the normalisation makes one d' equal to 1.

    Args:
        information: I, (R, A, A).
        dissimilarity: d, (R, A, A).
        mask: 1 for real rows, (R,).
        alive: Agents that count, (R, A); None for all.
        objective: The learner's objective.
    """
    hinge_weight = objective.config.hinge_weight
    summed = objective.of_pairs(information, dissimilarity, mask, alive, "sum").loss
    agents = torch.full_like(mask, information.shape[-1]) if alive is None else alive.sum(-1)
    least = (min(1.0, hinge_weight) - hinge_weight * objective.n_pairs(agents)) * (agents > 1)
    return summed - masked_mean(least, mask)
