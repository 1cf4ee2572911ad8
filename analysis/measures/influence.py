"""Whether roles matter: how much of a role is chance, and what the agents would do with other roles."""

import numpy as np

from analysis.measures import roles
from analysis.measures.roles import Floats, divide
from analysis.measures.summing import Measures, mean
from roma.recordings.rollout_file import Milestone


def of_influence(milestone: Milestone, names: list[str]) -> Measures:
    """Shares of variance, of changed actions, and the return lost where roles are shuffled; names: of types (A,).

    mean_share                   of the sampled role's variance, over living agents and moments: that of its mean
    mean_share_agents            of the same variance: that of the means between the living agents of a moment
    sigma                        mean standard deviation of a role's dimension
    changed_by_resampling        share of greedy actions that change when the agent's role is drawn anew
    changed_by_exchange          likewise with the role of another living agent, at the same history
    changed_by_exchange_of_type  likewise where the other is of the agent's own type, if there are several
    return_lost, wins_lost       by episodes in which each living agent has the role of another
    """
    agents = milestone.n_agents
    counted = milestone.alive[:, :agents] & milestone.decides[:, None]
    means, variance = (each.astype(float) for each in (milestone.role_mean, milestone.role_variance))
    whole, noise = means[counted].var(0).sum(), variance[counted].mean(0).sum()
    centre = divide((means * counted[..., None]).sum(1), counted.sum(1)[:, None])
    between = ((means - centre[:, None])[counted] ** 2).mean(0).sum()
    same_type = np.array(names)[:, None] == np.array(names)
    measures = {
        "mean_share": float(whole / (whole + noise)),
        "mean_share_agents": float(between / (whole + noise)),
        "sigma": float(np.sqrt(variance[counted]).mean()),
        "changed_by_resampling": mean(changed_by_resampling(milestone)[has_other(milestone)]),
        "changed_by_exchange": mean(changed_by_exchange(milestone)[milestone.lender >= 0]),
        "return_lost": mean(milestone.returns.astype(float) - milestone.shuffled_returns),
        "wins_lost": mean(milestone.won.astype(float) - milestone.shuffled_won),
    }
    if not same_type.all():
        alike = (milestone.lender >= 0) & same_type[np.arange(agents)[:, None], np.maximum(milestone.lender, 0)]
        measures["changed_by_exchange_of_type"] = mean(changed_by_exchange(milestone)[alike])
    return measures


def has_other(milestone: Milestone) -> roles.Mask:
    """Whether another agent lives whose role could be had (C, A)."""
    return np.asarray((milestone.lender >= 0).any(-1))


def changed_by_resampling(milestone: Milestone) -> Floats:
    """Share of pairs of draws of an agent's own role whose greedy actions differ (C, A)."""
    drawn = milestone.resampled
    draws = drawn.shape[-1]
    differ: Floats = (drawn[..., :, None] != drawn[..., None, :]).sum((-2, -1)) / (draws * (draws - 1))
    return differ


def changed_by_exchange(milestone: Milestone) -> Floats:
    """Share of draws of an agent's own role whose greedy action another agent's role changes (C, A, K)."""
    differ: Floats = (milestone.resampled[..., :, None] != milestone.exchanged[..., None, :]).mean(-2)
    return differ


def action_distance(milestone: Milestone) -> Floats:
    """Total variation between the agents' distributions of greedy actions (C, A, A), each at its own history.

    An agent's distribution is over draws of its role, the policy that Eq. 1 gives it.
    """
    taken = milestone.resampled[..., None, :] == np.arange(milestone.resampled.max(initial=0) + 1)[:, None]
    chances = taken.mean(-1, dtype=np.float32)
    apart: Floats = 0.5 * np.abs(chances[:, :, None] - chances[:, None]).sum(-1, dtype=float)
    return apart


def behaviour_correlation(milestone: Milestone, features: Floats, apart: Floats) -> float:
    """Rank correlation of distance in features (M, A, F) with that of action distributions (C, A, A), over agents."""
    counted = milestone.alive[milestone.tried, : milestone.n_agents]
    return mean(roles.rank_correlation(roles.distances(features[milestone.tried]), apart, counted))
