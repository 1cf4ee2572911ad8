"""Measures of the agents' behaviour on the maps on which the paper describes it; means over moments and episodes."""

import numpy as np
from numpy.typing import NDArray

from analysis.measures import nulls, roles
from analysis.measures.moments import first_death
from analysis.measures.roles import Floats, Mask, divide
from analysis.measures.summing import Measures, averaged, mean
from roma.recordings.rollout_file import Milestone
from roma.scenarios.actions import FIRST_TARGET, SHOOT_RANGE, STOP
from roma.scenarios.rows import HEALTH, SHIELD

LATE = 19  # decision; the last moment of an episode that the paper shows
NEXT = 8  # decisions by which the behaviour of groups is compared
SHIFTS = 8  # random shifts of the attacks of an episode
EARLY_ZERGLINGS, LATE_ZERGLINGS = (4, 5), (6, 7, 8, 9)  # agents of 6z4b

Moments = NDArray[np.int64]


def of_behaviour(milestone: Milestone, names: list[str], map_name: str) -> Measures:
    """Return the measures of the behaviour that the paper describes on a map; none on other maps.

    Args:
        milestone: Recorded episodes of one policy.
        names: Unit type of each agent (A,).
        map_name: Name of the map.
    """
    if map_name == "10m_vs_11m":
        moments, who = healthiest(milestone)
        return {
            "fire_alternation": mean(np.array([hand_overs(each) for each in attacks(milestone)])),
            **advance_and_retreat(milestone, moments, who),
            "agents_in_range": mean(in_range_at_contact(milestone)),
        }
    if map_name == "27m_vs_30m":
        return {"agents_in_range": mean(in_range_at_contact(milestone))}
    if map_name == "6z4b":
        return {"zerglings_wait": mean(zerglings_wait(milestone, names))}
    if map_name == "6s4z_vs_10b30z":
        alive, position = milestone.alive[:, : len(names)], milestone.units[:, : len(names), :2].astype(float)
        deaths = [(moment, who) for moment, who in first_deaths(milestone, names, "Zealot") if milestone.t[moment] > 1]
        moments, who = np.array(deaths, int).reshape(-1, 2).T
        motion = np.linalg.norm(position[moments] - position[moments - 1], axis=-1)
        own, others = one_and_others(motion, alive[moments], who)
        return {
            "first_zealot_motion": mean(own - others),
            "zealots_one_by_one": mean(_one_by_one(milestone, names, "Zealot", "Stalker")),
        }
    return {}


def shifted_fire(milestone: Milestone, rng: np.random.Generator) -> Measures:
    """Return the measure of alternating fire for attacks shifted in time (the null `shifted`)."""
    drawn = [hand_overs(nulls.shifted(each, rng)) for each in attacks(milestone) for _ in range(SHIFTS)]
    return {"fire_alternation": mean(np.array(drawn))}


def healthiest(milestone: Milestone) -> tuple[Moments, Moments]:
    """Return the moments from LATE on at which one agent is healthier than all others, and that agent."""
    health = milestone.units[:, : milestone.n_agents, [HEALTH, SHIELD]].sum(-1)
    alone = (health == health.max(1, keepdims=True)).sum(1) == 1
    moments = np.flatnonzero(alone & milestone.decides & (milestone.t >= LATE))
    return moments, health[moments].argmax(1)


def attacks(milestone: Milestone) -> list[Mask]:
    """Return which agents attack (T, A) in each episode with attacks, from the first attack to the last decision."""
    found = []
    for start, length in zip(milestone.starts, milestone.lengths, strict=True):
        attacking = milestone.actions[start : start + length] >= FIRST_TARGET
        if attacking.any():
            found.append(attacking[attacking.any(1).argmax() :])
    return found


def hand_overs(attacking: Mask) -> float:
    """Return the mean share, per decision, of ordered pairs of agents in which one stops firing as the other starts.

    Args:
        attacking: Agents that attack (T, A).
    """
    agents = attacking.shape[1]
    if len(attacking) < 2 or agents < 2:
        return float("nan")
    stop, begin = (attacking[:-1] & ~attacking[1:]).sum(1), (~attacking[:-1] & attacking[1:]).sum(1)
    return float((stop * begin).mean() / (agents * (agents - 1)))


def advance_and_retreat(milestone: Milestone, moments: Moments, who: Moments) -> Measures:
    """Return how far the healthiest agent advances and the others retreat within a decision, in map units.

    Args:
        milestone: Recorded episodes of one policy.
        moments: Moments at which one agent is the healthiest (K,).
        who: The healthiest agent at each moment (K,).
    """
    both = milestone.alive[moments, : milestone.n_agents] & milestone.alive[moments + 1, : milestone.n_agents]
    own, others = one_and_others(_advance(milestone, moments), both, who)
    return {"healthiest_advance": mean(own), "others_retreat": mean(-others)}


def _advance(milestone: Milestone, moments: Moments) -> Floats:
    """Return each agent's advance (K, A) towards the centre of the living enemies within a decision, in map units."""
    agents, alive = milestone.n_agents, milestone.alive[moments, :, None]
    position = milestone.units[..., :2].astype(float)
    sides = [(slice(agents)), slice(agents, None)]
    own, theirs = (divide((position[moments] * alive)[:, side].sum(1), alive[:, side].sum(1)) for side in sides)
    ahead = theirs - own
    ahead = divide(ahead, np.broadcast_to(np.linalg.norm(ahead, axis=-1, keepdims=True), ahead.shape))
    step = position[moments + 1, :agents] - position[moments, :agents]
    forward: Floats = (step * ahead[:, None]).sum(-1)
    return forward


def one_and_others(values: Floats, alive: Mask, who: Moments) -> tuple[Floats, Floats]:
    """Return the value of one agent and the mean over the other living agents, (K,) each.

    Args:
        values: (K, A).
        alive: Mask of agents (K, A).
        who: Number of the one agent (K,).
    """
    chosen = np.arange(len(who)), who
    others = alive.copy()
    others[chosen] = False
    own = np.where(alive[chosen], values[chosen], np.nan)
    return own, divide(np.where(others, values, 0).sum(1), others.sum(1))


def nearest_enemy(milestone: Milestone) -> Floats:
    """Return each agent's distance (M, A) to the nearest living enemy, in map units; infinite if no enemy lives."""
    agents, position = milestone.n_agents, milestone.units[..., :2].astype(float)
    gap = np.linalg.norm(position[:, :agents, None] - position[:, None, agents:], axis=-1)
    nearest: Floats = np.where(milestone.alive[:, None, agents:], gap, np.inf).min(-1)
    return nearest


def in_range_at_contact(milestone: Milestone) -> Floats:
    """Return the share of living agents with an enemy in range when the first unit is hurt, for each episode.

    Episodes in which no unit is hurt are left out.
    """
    units, agents = milestone.units[..., [HEALTH, SHIELD]].sum(-1), milestone.n_agents
    hurt = (units < units[milestone.starts][milestone.episode]).any(1)
    moments = [place[0] for number in range(len(milestone.lengths)) if len(place := _within(milestone, hurt, number))]
    near = (nearest_enemy(milestone)[moments] <= SHOOT_RANGE) & milestone.alive[moments, :agents]
    return divide(near.sum(1), milestone.alive[moments, :agents].sum(1))


def _within(milestone: Milestone, true: Mask, number: int) -> Moments:
    """Return the moments of episode `number` at which the mask (M,) is true."""
    return np.flatnonzero(true & (milestone.episode == number))


def zerglings_wait(milestone: Milestone, names: list[str]) -> Floats:
    """Return how much farther from the enemies Zerglings 6 to 9 are than Zerglings 4 and 5, in map units.

    The distances are taken in each episode just before the first Baneling dies.
    """
    moments = [moment for moment, _ in first_deaths(milestone, names, "Baneling")]
    gap, alive = nearest_enemy(milestone)[moments], milestone.alive[moments]

    def mean_gap(agents: tuple[int, ...]) -> Floats:
        counted = alive[:, agents] & np.isfinite(gap[:, agents])
        return divide(np.where(counted, gap[:, agents], 0).sum(1), counted.sum(1))

    return mean_gap(LATE_ZERGLINGS) - mean_gap(EARLY_ZERGLINGS)


def first_deaths(milestone: Milestone, names: list[str], kind: str) -> list[tuple[int, int]]:
    """Return the last moment before the first agent of a unit type dies, and that agent, for each such episode."""
    members = np.flatnonzero(np.array(names) == kind)
    found = []
    for start, length in zip(milestone.starts, milestone.lengths, strict=True):
        death = first_death(milestone.alive[start : start + length + 1, members])
        if death is not None:
            found.append((int(start) + death[0], int(members[death[1]])))
    return found


def _one_by_one(milestone: Milestone, names: list[str], kind: str, other: str) -> Floats:
    """Return 1 for episodes in which agents of one type die one by one before any agent of type `other`, else 0.

    Episodes in which fewer than two agents of the type die are left out.
    """
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


def decision_shares(milestone: Milestone, moments: Moments) -> Floats:
    """Return the shares (K, A, 3) of attack or heal, hold and move in each agent's next NEXT decisions.

    Decisions after death or after the episode are not counted; an agent without decisions has NaN.
    """
    ahead = moments[:, None] + np.arange(NEXT)
    same = (ahead < len(milestone.units)) & (
        milestone.episode[np.minimum(ahead, len(milestone.units) - 1)] == milestone.episode[moments][:, None]
    )
    taken = np.where(same[..., None], milestone.actions[np.minimum(ahead, len(milestone.units) - 1)], 0)
    kinds = np.stack([taken >= FIRST_TARGET, taken == STOP, (taken > STOP) & (taken < FIRST_TARGET)], -1)
    total = kinds.sum((1, 3))[..., None]
    return divide(kinds.sum(1), np.broadcast_to(total, (*total.shape[:2], 3)))


def of_groups(milestone: Milestone, features: Floats, moments: Moments) -> Measures:
    """Return the measures of two groups of living agents, found by k-means on their features.

    group_silhouette   silhouette of the groups in the features
    group_difference   share of the variance in the agents' next decisions that lies between the groups, 0 to 1

    Args:
        milestone: Recorded episodes of one policy.
        features: (K, A, F).
        moments: Moments of the features (K,).
    """
    alive = milestone.alive[moments, : milestone.n_agents]
    labels = roles.clusters(features, alive, 2)
    return {
        "group_silhouette": mean(roles.silhouette(roles.distances(features), labels)),
        "group_difference": mean(between_groups(decision_shares(milestone, moments), labels)),
    }


def structureless_groups(milestone: Milestone, names: list[str], rng: np.random.Generator) -> Measures:
    """Return the measures of groups for structureless roles before the first Baneling dies (null `structureless`)."""
    moments = np.array([moment for moment, _ in first_deaths(milestone, names, "Baneling")], int)
    features, alive = milestone.role_mean[moments], milestone.alive[moments, : milestone.n_agents]
    return averaged(
        [of_groups(milestone, nulls.structureless(features, alive, rng), moments) for _ in range(nulls.DRAWS)]
    )


def between_groups(values: Floats, labels: NDArray[np.int64]) -> Floats:
    """Return the share (K,) of the variance of values that lies between groups.

    The share is NaN without variance or with a single group.

    Args:
        values: (K, A, F).
        labels: Group of each agent (K, A); negative for agents that are not counted.
    """
    counted = (labels >= 0) & np.isfinite(values).all(-1)
    member = (labels[..., None] == np.arange(labels.max(initial=0) + 1)) & counted[..., None]  # (K, A, G)
    known = np.where(counted[..., None], values, 0)
    sizes, number = member.sum(1), counted.sum(1)
    centre = divide(known.sum(1), number[:, None])
    of_groups_ = member.transpose(0, 2, 1) @ known / np.maximum(sizes, 1)[..., None]
    between = (sizes * ((of_groups_ - centre[:, None]) ** 2).sum(-1)).sum(1)
    whole = (np.where(counted[..., None], known - centre[:, None], 0) ** 2).sum((1, 2))
    return divide(between, np.where((sizes > 0).sum(1) > 1, whole, 0))
