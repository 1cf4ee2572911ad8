"""One-step temporal-difference learning of Q_tot (QMIX; the paper's L_TD). A agents, U actions.

Without a mixer, each agent has its own value instead of Q_tot, of shape (..., A) instead of (...).
"""

import torch
from torch import Tensor


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over real timesteps, and over agents if each has its own value.

    Args:
        values: Values, (...) or (..., A).
        mask: 1 for real timesteps, (...).
    """
    if values.dim() > mask.dim():
        values = values.mean(-1)
    return (values * mask).sum() / mask.sum()


def taken(utilities: Tensor, actions: Tensor) -> Tensor:
    """Return the utilities (..., A) of actions (..., A), given those of all actions (..., A, U)."""
    return utilities.gather(-1, actions.unsqueeze(-1)).squeeze(-1)


def best_actions(utilities: Tensor, avail_actions: Tensor) -> Tensor:
    """Return the available actions of highest utility, the first of equals: (..., A, U) to (..., A)."""
    lowered = utilities - avail_actions.float().reciprocal_().sub_(1)  # by 0 or infinity; faster than masked_fill
    return lowered.max(-1).indices


def td_targets(reward: Tensor, terminated: Tensor, target_q_tot: Tensor, gamma: float) -> Tensor:
    """Return the targets y = r + gamma (1 - terminated) Q_tot^-(s').

    Args:
        reward: r, (...).
        terminated: 1 at an episode's end, (...).
        target_q_tot: Q_tot^-(s') of the target networks, (...) or (..., A).
        gamma: Discount factor.
    """
    if target_q_tot.dim() > reward.dim():
        reward, terminated = reward.unsqueeze(-1), terminated.unsqueeze(-1)
    return reward + gamma * (1 - terminated) * target_q_tot


def td_loss(q_tot: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Return L_TD, the mean squared error over real timesteps; values (...) or (..., A), mask (...)."""
    return masked_mean((q_tot - targets) ** 2, mask)


@torch.no_grad()
def td_statistics(q_tot: Tensor, targets: Tensor, mask: Tensor, n_agents: int) -> dict[str, Tensor]:
    """Return the statistics that PyMARL logs under these names.

    q_taken_mean and target_mean are Q_tot divided by the number of agents. Without a mixer, q_tot_mean is the sum of
    the agents' values.
    """
    agents_in_value = n_agents if q_tot.dim() == mask.dim() else 1
    q_taken_mean = masked_mean(q_tot, mask) / agents_in_value
    return {
        "td_error_abs": masked_mean((q_tot - targets).abs(), mask),
        "q_taken_mean": q_taken_mean,
        "target_mean": masked_mean(targets, mask) / agents_in_value,
        "q_tot_mean": q_taken_mean * n_agents,
    }
