"""Every measure of one milestone's episodes, of the roles in them and, where it applies, of raw observations.

Mean over living agents, decisions and episodes unless its name says otherwise: `first` is the first decision, `late`
any from LATE on. A measure that does not apply to a map is absent; NaN where the episodes hold nothing to measure.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import roles
from analysis.moments import first_death
from roma.rollout_file import Milestone
from roma.scenarios.actions import FIRST_TARGET
from roma.scenarios.rows import HEALTH, SHIELD

LATE = 19  # the last stage within an episode that the paper shows
PAIR_MOMENTS = 400  # of a milestone, evenly chosen, in what compares all pairs of agents

Measures = dict[str, float]


def of_features(milestone: Milestone, names: list[str], map_name: str, features: NDArray[Any]) -> Measures:
    """What the geometry of features (M, A, F), role means or observations, says; names: of the agents' types (A,)."""
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
        "silhouette_health": _mean(roles.silhouette(distance, roles.terciles(share, counted))),
        "silhouette_position": _mean(silhouette_position),
        "silhouette_position_first": _mean(silhouette_position[first]),
        "drift": roles.drift(features, alive, episode),
        "stability": roles.stability(features, alive, episode),
        "position_correlation_first": _mean(correlation_position[: len(first)]),
        "position_correlation_late": _mean(correlation_position[len(first) :]),
        "health_correlation_first": _mean(_health_correlation(distance, share, counted, first)),
        "health_correlation_late": _mean(_health_correlation(distance, share, counted, late)),
        "dead_alive_separation": _mean(roles.dead_alive_separation(features[now], alive[now])),
        "mean_role_spread": _mean(roles.pair_mean(distance, counted[:, :, None] & counted[:, None])),
    }
    kinds = sorted(set(names))
    if len(kinds) > 1:
        types = np.array([kinds.index(name) for name in names])
        by_type = roles.silhouette(distance, np.where(counted, types, -1))
        measures["silhouette_type"] = _mean(by_type)
        measures["silhouette_type_first"] = _mean(by_type[first])
        if map_name == "6z4b":
            before = [moment for moment, _ in _first_deaths(milestone, names, "Baneling")]
            measures["group_silhouette"] = _mean(by_type[before])
    if map_name == "MMM2":
        pairs = counted[:, :, None] & counted[:, None]
        of_type = np.array(names)
        same = of_type[:, None] == of_type
        medivac, marine, marauder = (of_type == name for name in ("Medivac", "Marine", "Marauder"))
        for name, mixed, within in (
            ("medivac_separation", medivac[:, None] & ~medivac, same),
            ("marine_marauder_separation", marine[:, None] & marauder, same & ~medivac),
        ):
            apart, together = (roles.pair_mean(distance, pairs & chosen) for chosen in (mixed, within))
            measures[name] = _mean(roles.divide(apart, together))
    if map_name == "10m_vs_11m":
        moments, who = _healthiest(milestone)
        measures["healthiest_outlier"] = _mean(roles.outlier_ratio(features[moments], alive[moments], who))
    if map_name == "6s4z_vs_10b30z":
        deaths = _first_deaths(milestone, names, "Zealot")
        moments, who = np.array(deaths, int).reshape(-1, 2).T
        measures["first_zealot_outlier"] = _mean(roles.outlier_ratio(features[moments], alive[moments], who))
    return measures


def of_behaviour(milestone: Milestone, names: list[str], map_name: str) -> Measures:
    """What the agents do on the maps of which the paper tells it; names: of the agents' types (A,)."""
    agents, episode = milestone.n_agents, milestone.episode
    alive, position = milestone.alive[:, :agents], milestone.units[:, :agents, :2].astype(float)
    if map_name == "10m_vs_11m":
        attackers = (milestone.actions >= FIRST_TARGET) & alive
        both = attackers[1:].any(1) & attackers[:-1].any(1) & (episode[1:] == episode[:-1])
        moments, who = _healthiest(milestone)
        return {
            "fire_alternation": _mean((attackers[1:] != attackers[:-1]).any(1)[both]),
            "healthiest_advance": _mean(_beyond_others(_advance(milestone, moments), alive[moments + 1], who)),
        }
    if map_name == "6s4z_vs_10b30z":
        deaths = [(moment, who) for moment, who in _first_deaths(milestone, names, "Zealot") if milestone.t[moment] > 1]
        moments, who = np.array(deaths, int).reshape(-1, 2).T
        motion = np.linalg.norm(position[moments] - position[moments - 1], axis=-1)
        return {
            "first_zealot_motion": _mean(_beyond_others(motion, alive[moments], who)),
            "zealots_one_by_one": _mean(_one_by_one(milestone, names, "Zealot", "Stalker")),
        }
    return {}


def of_losses(milestone: Milestone, names: list[str]) -> Measures:
    """What the learner's own I and d say; d is scaled to [0, 1] over the living pairs of a moment."""
    agents = milestone.n_agents
    counted = milestone.alive[:, :agents] & milestone.decides[:, None]
    measures = {"L_I": _mean(milestone.divergence[counted])}
    if not milestone.dissimilarity.shape[1]:
        return measures
    chosen = _spaced(np.flatnonzero(milestone.decides & (milestone.t > 1)))  # at first all trajectories are empty
    pairs = counted[chosen, :, None] & counted[chosen, None] & ~np.eye(agents, dtype=bool)
    d = roles.scaled(milestone.dissimilarity[chosen].astype(float), pairs)
    information = np.where(pairs, milestone.information[chosen].astype(float), np.inf)
    ordered, places = np.sort(information.reshape(len(chosen), -1), 1), pairs.sum((1, 2))
    median = ordered[np.arange(len(chosen)), np.maximum(places - 1, 0) // 2][:, None, None]
    measures["d_when_I_low"] = _mean(d[pairs & (information <= median)])
    measures["d_when_I_high"] = _mean(d[pairs & (information > median)])
    of_type = np.array(names)
    between = pairs & (of_type[:, None] != of_type)
    if between.any():
        measures["dissimilarity_between"] = _mean(d[between])
        measures["dissimilarity_within"] = _mean(d[pairs & ~between])
        separation = roles.separation(d[pairs], between[pairs])
        measures["dissimilarity_auc"] = separation.auc
        measures["dissimilarity_threshold_accuracy"] = separation.accuracy
    return measures


def of_probes(milestone: Milestone, obs: NDArray[np.float32]) -> tuple[Measures, Measures]:
    """How well the role is predicted from the trajectory, and the next action from what is seen and the role.

    Every second episode is held out. The first are of roles; the second, of raw observations, has instead of the
    trajectory's GRU state the last observation and action. obs (M, A, O), of as many episodes as rows are of.
    """
    moment, agent = milestone.rows.T
    held_out = milestone.episode[moment] % 2 == 1
    role, seen = milestone.role_mean[moment, agent].astype(float), obs[moment, agent].astype(float)
    action = milestone.actions[moment, agent].astype(int)
    before = obs[moment - 1, agent], np.eye(milestone.actions.max() + 1)[milestone.last_actions[moment, agent]]
    from_seen = roles.classified(seen, action, held_out)
    with_role = roles.classified(np.concatenate([seen, role], 1), action, held_out)
    return {
        "probe_role": roles.explained(milestone.trajectory.astype(float), role, held_out),
        "probe_action_gain": with_role - from_seen,
    }, {
        "probe_role": roles.explained(np.concatenate(before, 1).astype(float), role, held_out),
        "probe_action_observation": from_seen,
    }


def _health_correlation(
    distance: NDArray[Any], share: NDArray[Any], counted: NDArray[np.bool_], moments: NDArray[np.int64]
) -> NDArray[np.float64]:
    gap = np.abs(share[moments, :, None] - share[moments, None])
    return roles.rank_correlation(distance[moments], gap, counted[moments])


def _healthiest(milestone: Milestone) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The late moments at which one agent is healthier than all others, and which."""
    health = milestone.units[:, : milestone.n_agents, [HEALTH, SHIELD]].sum(-1)
    alone = (health == health.max(1, keepdims=True)).sum(1) == 1
    moments = np.flatnonzero(alone & milestone.decides & (milestone.t >= LATE))
    return moments, health[moments].argmax(1)


def _advance(milestone: Milestone, moments: NDArray[np.int64]) -> NDArray[np.float64]:
    """How far each agent comes towards the living enemies' centre within a decision (K, A), map units."""
    agents, alive = milestone.n_agents, milestone.alive[moments, :, None]
    position = milestone.units[..., :2].astype(float)
    sides = [(slice(agents)), slice(agents, None)]
    own, theirs = (roles.divide((position[moments] * alive)[:, side].sum(1), alive[:, side].sum(1)) for side in sides)
    ahead = theirs - own
    ahead = roles.divide(ahead, np.broadcast_to(np.linalg.norm(ahead, axis=-1, keepdims=True), ahead.shape))
    step = position[moments + 1, :agents] - position[moments, :agents]
    forward: NDArray[np.float64] = (step * ahead[:, None]).sum(-1)
    return forward


def _beyond_others(
    values: NDArray[np.float64], alive: NDArray[np.bool_], who: NDArray[np.int64]
) -> NDArray[np.float64]:
    """One agent's value minus the mean of the other living ones' (K,); values and alive (K, A), who (K,)."""
    chosen = np.arange(len(who)), who
    others = alive.copy()
    others[chosen] = False
    return values[chosen] - roles.divide(np.where(others, values, 0).sum(1), others.sum(1))


def _first_deaths(milestone: Milestone, names: list[str], kind: str) -> list[tuple[int, int]]:
    """Of each episode in which an agent of the type dies: the last moment before the first does so, and which it is."""
    members = np.flatnonzero(np.array(names) == kind)
    found = []
    for start, length in zip(milestone.starts, milestone.lengths, strict=True):
        death = first_death(milestone.alive[start : start + length + 1, members])
        if death is not None:
            found.append((int(start) + death[0], int(members[death[1]])))
    return found


def _one_by_one(milestone: Milestone, names: list[str], kind: str, other: str) -> NDArray[np.float64]:
    """Of each episode in which two or more agents of the type die: whether one after the other, before any `other`."""
    never = int(milestone.lengths.max()) + 2
    outcomes = []
    for start, length in zip(milestone.starts, milestone.lengths, strict=True):
        alive = milestone.alive[start : start + length + 1, : len(names)]
        death = np.where(alive.all(0), never, alive.argmin(0))
        mine, theirs = (np.sort(death[np.array(names) == each]) for each in (kind, other))
        mine = mine[mine < never]
        if len(mine) > 1:
            outcomes.append(bool((np.diff(mine) > 0).all() and mine[-1] < theirs[0]))
    return np.array(outcomes, float)


def _spaced(moments: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most PAIR_MOMENTS of these, evenly."""
    return moments[:: -(-len(moments) // PAIR_MOMENTS) or 1]


def _mean(values: NDArray[Any]) -> float:
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # of nothing it is NaN
        return float(np.nanmean(values))
