"""Measures of how much roles matter: their noise, and the effect of other roles on actions and return."""

import numpy as np

from analysis.measures import roles
from analysis.measures.roles import Floats, divide
from analysis.measures.summing import Measures, mean
from roma.recordings.rollout_file import Milestone


def of_influence(milestone: Milestone, names: list[str]) -> Measures:
    """Return the measures of how much roles matter.

    mean_share                   share of the sampled role's variance that its mean has, over living agents and moments
    mean_share_agents            share of the same variance that the means of the living agents of one moment have
    sigma                        mean standard deviation of a role dimension
    changed_by_resampling        share of greedy actions that change when the agent's role is resampled
    changed_by_exchange          share that change when the agent has the role of another living agent, same history
    changed_by_exchange_of_type  the same for other agents of the agent's own type, on maps of several types
    return_lost, wins_lost       loss in episodes in which every living agent has the role of another agent

    Args:
        milestone: Recorded episodes of one policy.
        names: Unit type of each agent (A,).
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
    """Return a mask (C, A) of the agents for which another living agent can lend a role."""
    return np.asarray((milestone.lender >= 0).any(-1))


def changed_by_resampling(milestone: Milestone) -> Floats:
    """Return the share (C, A) of pairs of samples of an agent's own role whose greedy actions differ."""
    drawn = milestone.resampled
    draws = drawn.shape[-1]
    differ: Floats = (drawn[..., :, None] != drawn[..., None, :]).sum((-2, -1)) / (draws * (draws - 1))
    return differ


def changed_by_exchange(milestone: Milestone) -> Floats:
    """Return the share (C, A, K) of samples of an agent's own role whose greedy action another agent's role changes."""
    differ: Floats = (milestone.resampled[..., :, None] != milestone.exchanged[..., None, :]).mean(-2)
    return differ


def action_distance(milestone: Milestone) -> Floats:
    """Return the total variation distance (C, A, A) between the agents' distributions of greedy actions.

    Each agent has its own history. Its distribution is over samples of its role (the policy by Eq. 1).
    """
    taken = milestone.resampled[..., None, :] == np.arange(milestone.resampled.max(initial=0) + 1)[:, None]
    chances = taken.mean(-1, dtype=np.float32)
    apart: Floats = 0.5 * np.abs(chances[:, :, None] - chances[:, None]).sum(-1, dtype=float)
    return apart


def behaviour_correlation(milestone: Milestone, features: Floats, apart: Floats) -> float:
    """Return the mean rank correlation between distances in features and distances of action distributions.

    Args:
        milestone: Recorded episodes of one policy.
        features: (M, A, F).
        apart: Distances of action distributions (C, A, A).
    """
    counted = milestone.alive[milestone.tried, : milestone.n_agents]
    return mean(roles.rank_correlation(roles.distances(features[milestone.tried]), apart, counted))
