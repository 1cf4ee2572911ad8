"""SMAC's agent interface for arbitrary positions: the kernel's functions for one battle.

Unit rows are `x, y, health, shield, energy, cooldown` by slot; health 0 means dead.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roma.envs.skirmish import kernel
from roma.envs.skirmish.engine import check_last_actions, check_shapes
from roma.envs.skirmish.options import EnvOptions
from roma.envs.skirmish.rules import agent_slots, build_rules, env_info
from roma.scenarios import canonical_map, load_map


def _units(allies: ArrayLike, enemies: ArrayLike) -> NDArray[np.float64]:
    return np.concatenate([np.asarray(allies, np.float64), np.asarray(enemies, np.float64)])


def observe(
    map_name: str,
    allies: ArrayLike,
    enemies: ArrayLike,
    last_actions: Sequence[int] | None = None,
    walkable: NDArray[np.bool_] | None = None,
    *,
    options: EnvOptions = EnvOptions(),  # noqa: B008  (frozen)
    episode_step: int = 0,
    terrain_height: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Return what the agents see at one position.

    Args:
        map_name: Name or alias of a map.
        allies: Unit rows of the agents (A, 6).
        enemies: Unit rows of the enemies (N - A, 6).
        last_actions: Last actions (A,); None: the episode has just begun.
        walkable: Walkable cells (32, 32), indexed [y, x]; None: the map's own.
        options: SMAC's options.
        episode_step: Timesteps played.
        terrain_height: Terrain height (32, 32), from 0 to 255, indexed [y, x]; None: flat.

    Returns:
        Observations (A, O), global state (S,), available actions (A, U).

    Raises:
        UserError: There is no such map.
        ValueError: An array has the wrong shape, or a last action is too large.
    """
    name = canonical_map(map_name)
    rules = build_rules(name)
    info = env_info(name, rules, options)
    obs = np.zeros((info.n_agents, info.obs_size), np.float32)
    state = np.zeros(info.state_size, np.float32)
    avail = np.zeros((info.n_agents, info.n_actions), np.bool_)
    grid = rules.walkable if walkable is None else np.ascontiguousarray(walkable, np.bool_)
    height = np.zeros(grid.shape) if terrain_height is None else np.ascontiguousarray(terrain_height, np.float64)
    units = _units(allies, enemies)
    last = np.full(info.n_agents, -1) if last_actions is None else np.asarray(last_actions, np.int64)
    check_shapes(
        walkable=(grid, rules.walkable.shape),
        terrain_height=(height, rules.walkable.shape),
        units=(units, (len(rules.unit), 6)),
        last_actions=(last, (info.n_agents,)),
    )
    check_last_actions(last, info.n_actions)
    kernel.observe(
        rules,
        options.compiled(),
        grid,
        height,
        units,
        last,
        episode_step,
        obs,
        state,
        avail,
    )
    return obs, state, avail


def transition(
    map_name: str,
    before: tuple[ArrayLike, ArrayLike],
    after: tuple[ArrayLike, ArrayLike],
    dead_before: tuple[ArrayLike, ArrayLike],
    episode_step: int,
    *,
    options: EnvOptions = EnvOptions(),  # noqa: B008  (frozen)
) -> tuple[float, bool, dict[str, bool | int]]:
    """Return the result of SMAC's `step` for the transition between two positions.

    Args:
        map_name: Name or alias of a map.
        before: Unit rows before the timestep, (allies, enemies).
        after: Unit rows after the timestep, (allies, enemies).
        dead_before: Flags of deaths that earlier timesteps have counted, (allies, enemies).
        episode_step: Timesteps played, including this one.
        options: SMAC's options.

    Returns:
        Reward, terminated, info.

    Raises:
        UserError: There is no such map.
        ValueError: An array has the wrong shape.
    """
    name = canonical_map(map_name)
    rules = build_rules(name)
    counted = np.concatenate([np.asarray(side, np.bool_) for side in dead_before])
    units = _units(*before), _units(*after)
    shape = len(rules.unit), 6
    check_shapes(before=(units[0], shape), after=(units[1], shape), dead_before=(counted, shape[:1]))
    reward, end = kernel.settle(rules, options.compiled(), *units, counted, episode_step)
    info: dict[str, bool | int] = {"battle_won": end == kernel.WON}
    if load_map(name).interface == "smac":
        info["dead_allies"] = int(counted[: rules.n_allies].sum())
        info["dead_enemies"] = int(counted[rules.n_allies :].sum())
    if end == kernel.TIME_OUT and options.continuing_episode:
        info["episode_limit"] = True
    return float(reward), end != kernel.GOES_ON, info


def slots(
    owners: Sequence[int], types: Sequence[int], xs: Sequence[float], ys: Sequence[float]
) -> tuple[list[int], list[int]]:
    """Assign listed units to slots, in SMAC's order.

    Args:
        owners: Owner of each unit: 1 the agents' side, 2 the enemies'.
        types: Type id of each unit.
        xs: Position of each unit, x.
        ys: Position of each unit, y.

    Returns:
        List indices of the agents' slots, and list indices of the enemies' slots.
    """
    mine = [i for i, owner in enumerate(owners) if owner == 1]
    order = agent_slots([types[i] for i in mine], [xs[i] for i in mine], [ys[i] for i in mine])
    return [mine[k] for k in order], [i for i, owner in enumerate(owners) if owner == 2]
