"""Tidy tables made from the rollout of a run.

roles          one row per measure of a milestone or of one of its episodes: step, episode, measure, reference, value
dissimilarity  one row per pair of unit types and episode: learnt dissimilarity on maps with several unit types
episodes       one row per unit and moment of the episode that figures show
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.measures import behaviour, influence, moments, nulls, roles
from analysis.measures import milestones as measures
from analysis.measures.summing import Measures, averaged
from roma import envs
from roma.envs.vector import observe
from roma.recordings.rollout_file import NOBODY, PROBED_EPISODES, Milestone, Rollout
from roma.runs.config import from_json
from roma.scenarios import load_units
from roma.scenarios.actions import FIRST_TARGET

ALL = -1  # number of the episode in rows of the whole milestone
ROLES_THEMSELVES, UNTRAINED = "roles", "untrained"  # references beside those of analysis.measures.nulls
ROLES = ["step", "episode", "measure", "reference", "value"]
ROLE_COLUMNS = ["role_0", "role_1", "role_2"]
SIGMA_COLUMNS = ["sigma_0", "sigma_1", "sigma_2"]  # standard deviations of the role dimensions; ROLE_COLUMNS: means
EPISODES = [
    *("step", "episode", "rule", "won", "t", "unit", "is_agent", "type", "x", "y"),
    *("health", "shield", "energy", "max_health", "max_shield", "target", "action"),
    *ROLE_COLUMNS,
    *SIGMA_COLUMNS,
]
# Rules that choose the episode to show: the value recorded in the tables, which must stay the same, and its wording.
RULES = {
    "first won episode that comes to all that is shown": "first won episode with all moments shown",
    "first episode that comes to all that is shown: none of them was won": (
        "first episode with all moments shown, as no such episode was won"
    ),
    "longest episode: none comes to all that is shown": "longest episode, as no episode has all moments shown",
}
DISSIMILARITY = ["step", "episode", "scaling", "type_a", "type_b", "relation", "d_mean", "d_std", "pairs"]


def tables(rollout: Rollout, figures: Iterable[Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    """Return the tables of a rollout by name.

    Args:
        rollout: Recorded episodes of all milestones of a run.
        figures: Figure specifications; the episode table holds an episode with all moments that they show.
    """
    wanted = moments.required(figures, rollout.config["map"])
    return {
        "roles": role_table(rollout),
        "dissimilarity": dissimilarity_table(rollout),
        "episodes": episode_table(rollout, wanted),
    }


def role_table(rollout: Rollout) -> pd.DataFrame:
    """Return all measures of each milestone, of each of its episodes, and of its nulls, without NaN.

    Nulls (analysis.measures.nulls) and probes (which hold out every second episode) use the first PROBED_EPISODES of a
    milestone together. Rows of the reference `untrained` hold the number of the network in place of the episode.
    """
    rows = []
    for milestone in rollout.milestones:
        found = _of_milestone(rollout, milestone) | {
            (number, ROLES_THEMSELVES): _of_roles(rollout, milestone.part(number, number + 1))
            for number in range(len(milestone.seeds))
        }
        rows += _rows(milestone.step, found)
    for number, milestone in enumerate(rollout.untrained):
        rng = np.random.default_rng(number)
        probed = milestone.part(0, PROBED_EPISODES)
        of_probes = measures.of_probes(probed, agent_types(rollout, milestone), _observations(rollout, probed), rng)[0]
        rows += _rows(milestone.step, {(number, UNTRAINED): of_probes | _of_roles(rollout, milestone)})
    return pd.DataFrame(rows, columns=ROLES)


def _rows(step: int, found: Mapping[tuple[int, str], Measures]) -> list[list[Any]]:
    return [
        [step, episode, measure, reference, value]
        for (episode, reference), values in found.items()
        for measure, value in values.items()
        if not np.isnan(value)
    ]


def _of_milestone(rollout: Rollout, milestone: Milestone) -> dict[tuple[int, str], Measures]:
    """Return the measures of a whole milestone and of its nulls."""
    names, map_name = agent_types(rollout, milestone), rollout.config["map"]
    rng = np.random.default_rng(milestone.step)
    probed = milestone.part(0, PROBED_EPISODES)
    obs, counted = _observations(rollout, probed), probed.alive[:, : len(names)] & probed.decides[:, None]
    apart = influence.action_distance(probed)

    def geometry(features: NDArray[Any]) -> Measures:
        return _geometry(probed, names, map_name, features, apart)

    def drawn(draw: Callable[[], NDArray[Any]], number: int) -> Measures:
        return averaged([geometry(draw()) for _ in range(number)])

    of_roles, of_observations = measures.of_probes(probed, names, obs, rng)
    found = {
        ROLES_THEMSELVES: of_roles | _of_roles(rollout, milestone),
        "observations": of_observations | geometry(obs),
        "projected": drawn(lambda: nulls.projected(obs, rng), nulls.PROJECTIONS),
        "principal": geometry(nulls.principal(obs, counted)),
        "permuted": drawn(lambda: nulls.permuted(probed.role_mean, counted, rng), nulls.DRAWS),
    }
    if map_name == "10m_vs_11m":
        found["shifted"] = behaviour.shifted_fire(milestone, rng)
    if map_name == "6z4b":
        found["structureless"] = behaviour.structureless_groups(milestone, names, rng)
    return {(ALL, reference): values for reference, values in found.items()}


def _of_roles(rollout: Rollout, milestone: Milestone) -> Measures:
    names, map_name = agent_types(rollout, milestone), rollout.config["map"]
    return {
        **_geometry(milestone, names, map_name, milestone.role_mean, influence.action_distance(milestone)),
        **measures.of_losses(milestone, names),
        **influence.of_influence(milestone, names),
        **behaviour.of_behaviour(milestone, names, map_name),
    }


def _geometry(
    milestone: Milestone, names: list[str], map_name: str, features: NDArray[Any], apart: NDArray[np.float64]
) -> Measures:
    """Return the measures of features (M, A, F); apart (C, A, A) holds distances of action distributions."""
    correlation = influence.behaviour_correlation(milestone, features, apart)
    return measures.of_features(milestone, names, map_name, features) | {"behaviour_correlation": correlation}


def agent_types(rollout: Rollout, milestone: Milestone) -> list[str]:
    """Return the unit type of each agent (A,), which is the same in all episodes."""
    return [rollout.type_names[index] for index in milestone.types[0, : milestone.n_agents]]


def _observations(rollout: Rollout, milestone: Milestone) -> NDArray[np.float32]:
    if milestone.obs is not None:
        return milestone.obs
    config = from_json(rollout.config)
    env = _environment(config.engine, config.map, config.engine_settings)
    return observe(env, milestone.units.astype(np.float64), milestone.last_actions, milestone.t - 1)


@cache
def _environment(engine: str, map_name: str, settings: Any) -> envs.VectorEnv:
    return envs.make(engine, map_name, 1, settings)


def dissimilarity_table(rollout: Rollout) -> pd.DataFrame:
    """Return the learnt dissimilarity of living pairs by unit types, of the first and the last milestone.

    Pairs count from the second decision on. The dissimilarity is scaled to [0, 1] over the pairs of each moment
    (scaling `step`) or of the whole milestone (scaling `data set`).
    """
    parts = []
    for milestone in {
        milestone.step: milestone for milestone in (rollout.milestones[0], rollout.milestones[-1])
    }.values():
        names = agent_types(rollout, milestone)
        kinds = sorted(set(names))
        if len(kinds) < 2 or not milestone.dissimilarity.shape[1]:
            continue
        counted = milestone.alive[:, : len(names)] & (milestone.decides & (milestone.t > 1))[:, None]
        pairs = counted[:, :, None] & counted[:, None] & ~np.eye(len(names), dtype=bool)
        d = milestone.dissimilarity.astype(float)
        types = np.array([kinds.index(name) for name in names])
        of_pair = types[:, None] * len(kinds) + types
        code = (milestone.episode[:, None, None] * len(kinds) ** 2 + of_pair)[pairs]
        size = len(milestone.seeds) * len(kinds) ** 2
        n = np.bincount(code, minlength=size)
        present = n > 0
        episode, pair = np.divmod(np.flatnonzero(present), len(kinds) ** 2)
        first, second = np.divmod(pair, len(kinds))
        whole = d[pairs]
        for scaling, values in (
            ("step", roles.scaled(d, pairs)[pairs]),
            ("data set", (whole - whole.min()) / (np.ptp(whole) or 1)),
        ):
            mean = roles.divide(np.bincount(code, values, size), n)
            squares = np.bincount(code, (values - mean[code]) ** 2, size)
            deviation = np.sqrt(roles.divide(squares, n - 1))
            values_of = {
                "step": milestone.step,
                "episode": episode,
                "scaling": scaling,
                "type_a": np.array(kinds)[first],
                "type_b": np.array(kinds)[second],
                "relation": np.where(first == second, "within", "between"),
                "d_mean": mean[present],
                "d_std": deviation[present],
                "pairs": n[present],
            }
            parts.append(pd.DataFrame(values_of))
    return in_one(parts, DISSIMILARITY)


def episode_table(rollout: Rollout, wanted: Sequence[moments.Moment]) -> pd.DataFrame:
    """Return the chosen episode of the last milestone, and the first moment of an episode of each earlier milestone.

    The earlier episode has the number of the chosen one, modulo the number of episodes recorded.

    Args:
        rollout: Recorded episodes of all milestones of a run.
        wanted: Moments that the figures show.
    """
    last = rollout.milestones[-1]
    number, rule = chosen_episode(last, agent_types(rollout, last), wanted)
    parts = []
    for milestone in rollout.milestones:
        of_milestone = number if milestone is last else number % len(milestone.seeds)
        start, length = int(milestone.starts[of_milestone]), int(milestone.lengths[of_milestone])
        end = start + length + 1 if milestone is last else start + 1
        parts.append(_unit_rows(rollout, milestone, of_milestone, slice(start, end)))
    return pd.concat(parts, ignore_index=True).assign(rule=rule)[EPISODES]


def chosen_episode(milestone: Milestone, names: Sequence[str], wanted: Sequence[moments.Moment]) -> tuple[int, str]:
    """Choose the episode to show.

    Args:
        milestone: Recorded episodes of one policy.
        names: Unit type of each agent (A,).
        wanted: Moments that the figures show.

    Returns:
        The number of the episode, and the rule that chose it.
    """
    complete = [
        all(
            moments.locate(moment, milestone.alive[start : start + length + 1, : len(names)], names) is not None
            for moment in wanted
        )
        for start, length in zip(milestone.starts, milestone.lengths, strict=True)
    ]
    first_won, first, longest = RULES
    for rule, suits in ((first_won, milestone.won & complete), (first, np.array(complete))):
        if suits.any():
            return int(suits.argmax()), rule
    return int(milestone.lengths.argmax()), longest


def _unit_rows(rollout: Rollout, milestone: Milestone, number: int, part: slice) -> pd.DataFrame:
    """Return one row per moment and unit of a part of an episode."""
    units, agents = milestone.units[part].astype(float), milestone.n_agents
    count, n_units = units.shape[:2]
    types = np.array(rollout.type_names)[milestone.types[number]]
    known = [load_units()[name] for name in types]
    values: dict[str, Any] = {
        "step": milestone.step,
        "episode": number,
        "won": bool(milestone.won[number]),
        "t": np.repeat(milestone.t[part], n_units),
        "unit": np.tile(np.arange(n_units), count),
        "is_agent": np.tile(np.arange(n_units) < agents, count),
        "type": np.tile(types, count),
        **{name: units[..., place].ravel() for place, name in enumerate(("x", "y", "health", "shield", "energy"))},
        "max_health": np.tile([unit.health for unit in known], count),
        "max_shield": np.tile([unit.shield for unit in known], count),
        "target": _targets(
            milestone.actions[part], [unit.heal is not None for unit in known[:agents]], n_units
        ).ravel(),
        "action": _padded(milestone.actions[part], n_units, NOBODY).ravel(),
    }
    mean = milestone.role_mean[part].astype(float)
    sigma = np.sqrt(milestone.role_variance[part].astype(float))
    for columns, of_role in ((ROLE_COLUMNS, mean), (SIGMA_COLUMNS, sigma)):
        for dimension, name in enumerate(columns):
            known_role = of_role[..., dimension] if dimension < of_role.shape[-1] else np.full(mean.shape[:2], np.nan)
            values[name] = _padded(known_role, n_units, np.nan).ravel()
    return pd.DataFrame(values)


def _targets(actions: NDArray[np.int8], heals: Sequence[bool], n_units: int) -> NDArray[Any]:
    """Return the numbers (T, N) of the units that the agents' actions (T, A) attack or heal, else NOBODY."""
    chosen = actions.astype(int) - FIRST_TARGET
    offset = np.where(heals, 0, actions.shape[1])
    return _padded(np.where(chosen >= 0, chosen + offset, NOBODY), n_units, NOBODY)


def _padded(of_agents: NDArray[Any], n_units: int, value: float) -> NDArray[Any]:
    """Pad values of agents (T, A) to all units (T, N), with `value` for enemies."""
    return np.pad(of_agents, ((0, 0), (0, n_units - of_agents.shape[1])), constant_values=value)


def in_one(parts: Sequence[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Concatenate the rows of all parts, with the given columns only."""
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True)[columns] if filled else pd.DataFrame(columns=columns)
