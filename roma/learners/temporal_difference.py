"""One-step temporal-difference learning of Q_tot (QMIX; the paper's L_TD). A agents, U actions."""

import torch
from torch import Tensor

UNAVAILABLE = -9999999.0  # value of an action that cannot be taken, PyMARL's


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real timesteps; values and mask (...)."""
    return (values * mask).sum() / mask.sum()


def taken(utilities: Tensor, actions: Tensor) -> Tensor:
    """Utilities (..., A, U) of the actions taken (..., A)."""
    return utilities.gather(-1, actions.unsqueeze(-1)).squeeze(-1)


def best_actions(utilities: Tensor, avail_actions: Tensor) -> Tensor:
    """The available action of highest utility: (..., A, U) to (..., A)."""
    return utilities.masked_fill(~avail_actions, UNAVAILABLE).argmax(-1)


def td_targets(reward: Tensor, terminated: Tensor, target_q_tot: Tensor, gamma: float) -> Tensor:
    """y = r + gamma Q_tot^-(s'), without the second term at an episode's end; all (...)."""
    return reward + gamma * (1 - terminated) * target_q_tot


def td_loss(q_tot: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """L_TD: mean squared error over the real timesteps."""
    return masked_mean((q_tot - targets) ** 2, mask)


@torch.no_grad()
def td_statistics(q_tot: Tensor, targets: Tensor, mask: Tensor, n_agents: int) -> dict[str, Tensor]:
    """What PyMARL logs under these names; its q_taken_mean and target_mean are Q_tot per agent."""
    q_tot_mean = masked_mean(q_tot, mask)
    return {
        "td_error_abs": masked_mean((q_tot - targets).abs(), mask),
        "q_taken_mean": q_tot_mean / n_agents,
        "target_mean": masked_mean(targets, mask) / n_agents,
        "q_tot_mean": q_tot_mean,
    }
