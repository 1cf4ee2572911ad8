"""Measures of roles and raw observations in the recorded episodes of one milestone.

A measure is a mean over living agents, decisions and episodes. `first` in its name restricts it to the first decision,
`late` to decisions from LATE on. A measure is absent on maps to which it does not apply, and NaN if no moment of the
episodes defines it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.measures import probes, roles
from analysis.measures.behaviour import LATE, first_deaths, healthiest, of_groups
from analysis.measures.summing import Measures, mean
from roma.recordings.rollout_file import Milestone
from roma.scenarios.rows import HEALTH, SHIELD

PAIR_MOMENTS = 400  # most moments of a milestone, evenly spaced, for measures of all pairs of agents


def of_features(milestone: Milestone, names: list[str], map_name: str, features: NDArray[Any]) -> Measures:
    """Return the measures of the geometry of features.

    Args:
        milestone: Recorded episodes of one policy.
        names: Unit type of each agent (A,).
        map_name: Name of the map.
        features: Role means or features of a null (M, A, F).
    """
    agents = milestone.n_agents
    alive, episode, now = milestone.alive[:, :agents], milestone.episode, milestone.decides
    counted = alive & now[:, None]
    distance = roles.distances(features)
    health = milestone.units[:, :agents, [HEALTH, SHIELD]].sum(-1)
    share = health / health[milestone.starts][episode]
    position = milestone.units[:, :agents, :2]
    silhouette_position = roles.silhouette(distance, roles.clusters(position, counted))
    first, late = milestone.starts, _spaced(np.flatnonzero(now & (milestone.t >= LATE)))
    position_distance = roles.distances(position[np.concatenate([first, late])])
    correlation_position = roles.rank_correlation(
        distance[np.concatenate([first, late])], position_distance, counted[np.concatenate([first, late])]
    )
    measures = {
        "silhouette_health": mean(roles.silhouette(distance, roles.terciles(share, counted))),
        "silhouette_position": mean(silhouette_position),
        "silhouette_position_first": mean(silhouette_position[first]),
        "drift": roles.drift(features, alive, episode),
        "stability": roles.stability(features, alive, episode),
        "position_correlation_first": mean(correlation_position[: len(first)]),
        "position_correlation_late": mean(correlation_position[len(first) :]),
        "health_correlation_first": mean(_health_correlation(distance, share, counted, first)),
        "health_correlation_late": mean(_health_correlation(distance, share, counted, late)),
        "dead_alive_separation": mean(roles.dead_alive_separation(features[now], alive[now])),
        "mean_role_spread": mean(roles.pair_mean(distance, counted[:, :, None] & counted[:, None])),
    }
    if len(set(names)) > 1:
        types = np.unique(names, return_inverse=True)[1]
        by_type = roles.silhouette(distance, np.where(counted, types, -1))
        measures["silhouette_type"] = mean(by_type)
        measures["silhouette_type_first"] = mean(by_type[first])
    return measures | _of_map(milestone, names, map_name, features, distance)


def _of_map(
    milestone: Milestone, names: list[str], map_name: str, features: NDArray[Any], distance: NDArray[np.float64]
) -> Measures:
    """Return the measures that the paper's statements on one map need; distance (M, A, A) of the features."""
    alive, measures = milestone.alive[:, : milestone.n_agents], {}
    if map_name == "MMM2":
        counted = alive & milestone.decides[:, None]
        pairs = counted[:, :, None] & counted[:, None]
        of_type = np.array(names)
        same = of_type[:, None] == of_type
        medivac, marine, marauder = (of_type == name for name in ("Medivac", "Marine", "Marauder"))
        for name, mixed, within in (
            ("medivac_separation", medivac[:, None] & ~medivac, same),
            ("marine_marauder_separation", marine[:, None] & marauder, same & ~medivac),
        ):
            apart, together = (roles.pair_mean(distance, pairs & chosen) for chosen in (mixed, within))
            measures[name] = mean(roles.divide(apart, together))
    if map_name == "10m_vs_11m":
        moments, who = healthiest(milestone)
        measures["healthiest_rank"] = mean(roles.outermost(features[moments], alive[moments], who))
    if map_name == "6s4z_vs_10b30z":
        moments, who = np.array(first_deaths(milestone, names, "Zealot"), int).reshape(-1, 2).T
        measures["first_zealot_rank"] = mean(roles.outermost(features[moments], alive[moments], who))
    if map_name == "6z4b":
        before = np.array([moment for moment, _ in first_deaths(milestone, names, "Baneling")], int)
        measures |= of_groups(milestone, features[before], before)
    return measures


def of_losses(milestone: Milestone, names: list[str]) -> Measures:
    """Return the measures of the learner's own I and d; d is scaled to [0, 1] over the living pairs of a moment.

    Args:
        milestone: Recorded episodes of one policy.
        names: Unit type of each agent (A,).
    """
    agents = milestone.n_agents
    counted = milestone.alive[:, :agents] & milestone.decides[:, None]
    measures = {"L_I": mean(milestone.divergence[counted])}
    if not milestone.dissimilarity.shape[1]:
        return measures
    chosen = _spaced(np.flatnonzero(milestone.decides & (milestone.t > 1)))  # at t = 1 all trajectories are empty
    pairs = counted[chosen, :, None] & counted[chosen, None] & ~np.eye(agents, dtype=bool)
    d = roles.scaled(milestone.dissimilarity[chosen].astype(float), pairs)
    information = np.where(pairs, milestone.information[chosen].astype(float), np.inf)
    ordered, places = np.sort(information.reshape(len(chosen), -1), 1), pairs.sum((1, 2))
    median = ordered[np.arange(len(chosen)), np.maximum(places - 1, 0) // 2][:, None, None]
    measures["d_when_I_low"] = mean(d[pairs & (information <= median)])
    measures["d_when_I_high"] = mean(d[pairs & (information > median)])
    of_type = np.array(names)
    between = pairs & (of_type[:, None] != of_type)
    if between.any():
        measures["dissimilarity_between"] = mean(d[between])
        measures["dissimilarity_within"] = mean(d[pairs & ~between])
        separation = probes.separation(d[pairs], between[pairs])
        measures["dissimilarity_auc"] = separation.auc
        measures["dissimilarity_threshold_accuracy"] = separation.accuracy
    return measures


def of_probes(
    milestone: Milestone, names: list[str], obs: NDArray[np.float32], rng: np.random.Generator
) -> tuple[Measures, Measures]:
    """Probe how well the trajectory predicts the role, and how well observation and role predict the next action.

    Every second episode is held out.

    Args:
        milestone: Recorded episodes of one policy.
        names: Unit type of each agent (A,).
        obs: Observations (M, A, O) of the probed episodes.
        rng: Source of the sampled roles, whose information with the trajectory is measured within unit types.

    Returns:
        The measures of roles, and the measures of raw observations. For the latter, the last observation and action
        replace the trajectory's GRU state.
    """
    moment, agent = milestone.rows.T
    held_out = milestone.episode[moment] % 2 == 1
    role, seen = milestone.role_mean[moment, agent].astype(float), obs[moment, agent].astype(float)
    sampled = role + np.sqrt(milestone.role_variance[moment, agent]) * rng.standard_normal(role.shape)
    types = np.unique(names, return_inverse=True)[1][agent]
    action, trajectory = milestone.actions[moment, agent].astype(int), milestone.trajectory.astype(float)
    before = obs[moment - 1, agent], np.eye(milestone.actions.max() + 1)[milestone.last_actions[moment, agent]]
    from_seen = probes.classified(seen, action, held_out)
    with_role = probes.classified(np.concatenate([seen, role], 1), action, held_out)
    return {
        "probe_role": probes.explained(trajectory, role, held_out),
        "role_information": probes.information(trajectory, sampled, types, held_out),
        "probe_action_gain": with_role - from_seen,
    }, {
        "probe_role": probes.explained(np.concatenate(before, 1).astype(float), role, held_out),
        "probe_action_observation": from_seen,
    }


def _health_correlation(
    distance: NDArray[Any], share: NDArray[Any], counted: NDArray[np.bool_], moments: NDArray[np.int64]
) -> NDArray[np.float64]:
    gap = np.abs(share[moments, :, None] - share[moments, None])
    return roles.rank_correlation(distance[moments], gap, counted[moments])


def _spaced(moments: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return at most PAIR_MOMENTS of the moments, evenly spaced."""
    return moments[:: -(-len(moments) // PAIR_MOMENTS) or 1]
