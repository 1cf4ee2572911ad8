"""The rollout of a run into tidy tables.

roles          one row a measure of a milestone, or of one of its episodes: step, episode, measure, reference, value
dissimilarity  one row a pair of unit types of an episode: learnt dissimilarity on maps of several types
episodes       one row a unit and moment of the episode that figures show
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import measures, moments, roles
from roma import envs
from roma.config import from_json
from roma.envs.vector import observe
from roma.rollout_file import NOBODY, PROBED_EPISODES, Milestone, Rollout
from roma.scenarios import load_units
from roma.scenarios.actions import FIRST_TARGET

ALL = -1  # in the place of an episode's number: the whole milestone
ROLES = ["step", "episode", "measure", "reference", "value"]
ROLE_COLUMNS = ["role_0", "role_1", "role_2"]
EPISODES = [
    *("step", "episode", "rule", "won", "t", "unit", "is_agent", "type", "x", "y"),
    *("health", "shield", "energy", "max_health", "max_shield", "target", "action", *ROLE_COLUMNS),
]
DISSIMILARITY = ["step", "episode", "scaling", "type_a", "type_b", "relation", "d_mean", "d_std", "pairs"]


def tables(rollout: Rollout, figures: Iterable[Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    """Return the tables of a run's rollout by name; `figures` say which moments are to be shown."""
    wanted = moments.required(figures, rollout.config["map"])
    return {
        "roles": role_table(rollout),
        "dissimilarity": dissimilarity_table(rollout),
        "episodes": episode_table(rollout, wanted),
    }


def role_table(rollout: Rollout) -> pd.DataFrame:
    """All measures of all milestones, and of each episode alone; what could not be measured is left out.

    The probes, which hold out every second episode, are of whole milestones.
    """
    rows = []
    map_name = rollout.config["map"]
    for milestone in rollout.milestones:
        names = agent_types(rollout, milestone)
        probed = milestone.part(0, PROBED_EPISODES)
        obs = _observations(rollout, probed)
        of_roles, of_observations = measures.of_probes(probed, obs)
        found = {(ALL, "roles"): of_roles | _of_roles(milestone, names, map_name)}
        found[ALL, "observations"] = of_observations | measures.of_features(probed, names, map_name, obs)
        for number in range(len(milestone.seeds)):
            episode = milestone.part(number, number + 1)
            found[number, "roles"] = _of_roles(episode, names, map_name)
        for number in range(len(probed.seeds)):
            seen = obs[probed.episode == number]
            episode = probed.part(number, number + 1)
            found[number, "observations"] = measures.of_features(episode, names, map_name, seen)
        rows += [
            [milestone.step, episode, measure, reference, value]
            for (episode, reference), values in found.items()
            for measure, value in values.items()
            if not np.isnan(value)
        ]
    return pd.DataFrame(rows, columns=ROLES)


def _of_roles(milestone: Milestone, names: list[str], map_name: str) -> measures.Measures:
    of_features = measures.of_features(milestone, names, map_name, milestone.role_mean)
    return of_features | measures.of_losses(milestone, names) | measures.of_behaviour(milestone, names, map_name)


def agent_types(rollout: Rollout, milestone: Milestone) -> list[str]:
    """Names of the agents' types (A,), which are the same in all episodes."""
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
    """Learnt dissimilarity of the living pairs of unit types, untrained and at the end, from the second decision on.

    It is scaled to [0, 1] over the pairs of each moment (scaling `step`) or of the whole milestone (`data set`).
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
    """The chosen episode of the last milestone as a whole, and of each earlier one the beginning of a battle.

    It is the same battle where an earlier milestone has recorded so many.
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
    """The number of the episode to show and the rule by which it was chosen."""
    complete = [
        all(
            moments.locate(moment, milestone.alive[start : start + length + 1, : len(names)], names) is not None
            for moment in wanted
        )
        for start, length in zip(milestone.starts, milestone.lengths, strict=True)
    ]
    for rule, suits in (
        ("first won episode that comes to all that is shown", milestone.won & complete),
        ("first episode that comes to all that is shown: none of them was won", np.array(complete)),
    ):
        if suits.any():
            return int(suits.argmax()), rule
    return int(milestone.lengths.argmax()), "longest episode: none comes to all that is shown"


def _unit_rows(rollout: Rollout, milestone: Milestone, number: int, part: slice) -> pd.DataFrame:
    """One row a moment and unit of a part of an episode."""
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
    roles_of = milestone.role_mean[part].astype(float)
    for dimension, name in enumerate(ROLE_COLUMNS):
        known_role = roles_of[..., dimension] if dimension < roles_of.shape[-1] else np.full(roles_of.shape[:2], np.nan)
        values[name] = _padded(known_role, n_units, np.nan).ravel()
    return pd.DataFrame(values)


def _targets(actions: NDArray[np.int8], heals: Sequence[bool], n_units: int) -> NDArray[Any]:
    """Whom the agents' actions (T, A) choose to attack or heal, NOBODY else: unit numbers (T, N)."""
    chosen = actions.astype(int) - FIRST_TARGET
    offset = np.where(heals, 0, actions.shape[1])
    return _padded(np.where(chosen >= 0, chosen + offset, NOBODY), n_units, NOBODY)


def _padded(of_agents: NDArray[Any], n_units: int, value: float) -> NDArray[Any]:
    """(T, A) to (T, N), with a value for enemies."""
    return np.pad(of_agents, ((0, 0), (0, n_units - of_agents.shape[1])), constant_values=value)


def in_one(parts: Sequence[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Return these columns of all parts, one below the other."""
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True)[columns] if filled else pd.DataFrame(columns=columns)
