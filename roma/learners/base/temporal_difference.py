"""One-step temporal-difference learning of Q_tot (QMIX; the paper's L_TD). A agents, U actions.

Without a mixer each agent has a value of its own in the place of Q_tot: (..., A) where it says (...).
"""

import torch
from torch import Tensor


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real timesteps, and over agents where each has its own; values (...) or (..., A), mask (...)."""
    if values.dim() > mask.dim():
        values = values.mean(-1)
    return (values * mask).sum() / mask.sum()


def taken(utilities: Tensor, actions: Tensor) -> Tensor:
    """Utilities (..., A, U) of the actions taken (..., A)."""
    return utilities.gather(-1, actions.unsqueeze(-1)).squeeze(-1)


def best_actions(utilities: Tensor, avail_actions: Tensor) -> Tensor:
    """The available action of highest utility, the first of equals: (..., A, U) to (..., A)."""
    lowered = utilities - avail_actions.float().reciprocal_().sub_(1)  # by nothing, or by infinity; cheaper than a fill
    return lowered.max(-1).indices


def td_targets(reward: Tensor, terminated: Tensor, target_q_tot: Tensor, gamma: float) -> Tensor:
    """y = r + gamma Q_tot^-(s'), without the second term at an episode's end; all (...)."""
    if target_q_tot.dim() > reward.dim():
        reward, terminated = reward.unsqueeze(-1), terminated.unsqueeze(-1)
    return reward + gamma * (1 - terminated) * target_q_tot


def td_loss(q_tot: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """L_TD: mean squared error over the real timesteps."""
    return masked_mean((q_tot - targets) ** 2, mask)


@torch.no_grad()
def td_statistics(q_tot: Tensor, targets: Tensor, mask: Tensor, n_agents: int) -> dict[str, Tensor]:
    """What PyMARL logs under these names; its q_taken_mean and target_mean are Q_tot per agent.

    Of agents that have values of their own, q_tot_mean is the sum.
    """
    agents_in_value = n_agents if q_tot.dim() == mask.dim() else 1
    q_taken_mean = masked_mean(q_tot, mask) / agents_in_value
    return {
        "td_error_abs": masked_mean((q_tot - targets).abs(), mask),
        "q_taken_mean": q_taken_mean,
        "target_mean": masked_mean(targets, mask) / agents_in_value,
        "q_tot_mean": q_taken_mean * n_agents,
    }
