"""Constants of the kernel, computed from a map's data file: unit tables, formations, paths around cliffs."""

from __future__ import annotations

from collections import deque
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roma.envs.skirmish.kernel import ARRIVED, CLIMBS, FLIES, UNIT, WALKS, Rules, waypoints
from roma.envs.skirmish.options import DEFAULT_CHOICES, Choices
from roma.envs.vector import EnvInfo
from roma.scenarios import SIZE, Group, Map, Unit, load_map, load_units
from roma.scenarios.facts import Point
from roma.support.errors import UserError

LOOPS_PER_SECOND = 16
FORMATION_GRID = 0.125  # spacing, in map units, of the grid of candidate places around a spawn point


def passable_grids(scenario: Map) -> NDArray[np.bool_]:
    """Return the cells open to units that walk, climb or fly, (3, SIZE, SIZE), indexed [way of moving, y, x]."""
    rows = np.array([list(row) for row in reversed(scenario.terrain)])
    grids = np.ones((3, SIZE, SIZE), np.bool_)
    grids[WALKS], grids[CLIMBS] = rows == ".", rows != "#"
    return grids


def connected(walkable: NDArray[np.bool_], points: list[Point]) -> NDArray[np.bool_]:
    """Return the cells that can be reached on foot from any of the points, (SIZE, SIZE)."""
    region = np.zeros_like(walkable)
    border = deque((int(x), int(y)) for x, y in points)
    while border:
        x, y = border.popleft()
        if 0 <= x < SIZE and 0 <= y < SIZE and walkable[y, x] and not region[y, x]:
            region[y, x] = True
            border.extend([(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)])
    return region


def front_of(side: list[Group], other: list[Group]) -> tuple[float, float]:
    """Return the direction in which an army faces the other one, as a unit vector.

    The direction leads from the army's centre to the other's. It is east if the centres coincide.
    """

    def centre(groups: list[Group]) -> NDArray[np.float64]:
        return np.average([group.spawn for group in groups], axis=0, weights=[group.count for group in groups])

    dx, dy = centre(other) - centre(side)
    distance = float(np.hypot(dx, dy))
    return (float(dx) / distance, float(dy) / distance) if distance > 0 else (1.0, 0.0)


@cache
def places_around(breadth: float, front: tuple[float, float]) -> list[tuple[float, float]]:
    """Return candidate offsets (map units) from a spawn point, nearest first.

    An army that faces west is the mirror image of one that faces east.

    Args:
        breadth: Factor by which distance along `front` counts more than distance across it.
        front: Direction in which the army faces, a unit vector.
    """
    reach = np.arange(-SIZE / 2, SIZE / 2, FORMATION_GRID)
    dx, dy = (axis.ravel() for axis in np.meshgrid(reach, reach, indexing="ij"))
    depth = front[0] * dx + front[1] * dy
    across = (front[0] * dy - front[1] * dx) * (-1 if front[0] < 0 else 1)
    nearest_first = np.lexsort((across, depth, (breadth * depth) ** 2 + across**2))
    return list(zip(dx[nearest_first].tolist(), dy[nearest_first].tolist(), strict=True))


def is_rectangle(region: NDArray[np.bool_]) -> bool:
    """Return whether a region is a full rectangle, in which all shortest paths are straight."""
    return bool(region[np.ix_(region.any(1), region.any(0))].all())


def formation(
    groups: list[Group],
    units: dict[str, Unit],
    walkable: NDArray[np.bool_],
    front: tuple[float, float],
    choices: Choices,
) -> list[tuple[str, float, float]]:
    """Return where the units of one side are created.

    Each unit gets the free place nearest to its group's spawn point. Ground units do not overlap; flying units block
    nobody.

    Args:
        groups: The side's groups of units.
        units: Unit types by name.
        walkable: Walkable cells (SIZE, SIZE), indexed [y, x].
        front: Direction in which the army faces, a unit vector. The army is broad across it.
        choices: The engine's own settings.

    Returns:
        (type, x, y) of each unit, in order of creation.

    Raises:
        UserError: A group does not fit into the terrain.
    """
    placed: list[tuple[str, float, float]] = []
    taken: list[tuple[float, float, float]] = []
    for group in groups:
        unit = units[group.unit]
        x0, y0 = group.spawn
        region = connected(walkable, [group.spawn])
        places = iter(places_around(choices.formation_breadth, front))
        for _ in range(group.count):
            for dx, dy in places:
                x, y = x0 + dx, y0 + dy
                if not (0 <= x < SIZE and 0 <= y < SIZE and region[int(y), int(x)]):
                    continue
                room = unit.separation_radius + choices.formation_gap
                if all((x - tx) ** 2 + (y - ty) ** 2 >= (room + radius) ** 2 for tx, ty, radius in taken):
                    break
            else:
                where = f"[{x0:g}, {y0:g}] with formation_gap = {choices.formation_gap:g}"
                raise UserError(f"no room for {group.count} {group.unit} around {where}")
            placed.append((group.unit, float(x), float(y)))
            if unit.plane == "ground":
                taken.append((x, y, unit.separation_radius))
    return placed


def agent_slots(types: list[int], xs: list[float], ys: list[float]) -> list[int]:
    """Return the list indices of agents in SMAC's order: by type id, then x, then y, ties as listed."""
    return sorted(range(len(types)), key=lambda i: (types[i], xs[i], ys[i]))


def blow_damage(attacker: Unit, target: Unit) -> float:
    """Return the damage of one blow before armour."""
    if attacker.weapon is None:
        return 0.0
    bonus = sum(extra for attribute, extra in attacker.weapon.bonus.items() if attribute in target.attributes)
    return attacker.weapon.damage + bonus


@cache
def build_rules(map_name: str, choices: Choices = DEFAULT_CHOICES) -> Rules:
    """Return the kernel's constants for one map, by canonical name.

    Raises:
        UserError: The map's file is wrong, or its armies do not fit into the terrain.
    """
    scenario, units = load_map(map_name), load_units()
    try:
        return rules_of(scenario, units, choices)
    except UserError as error:
        raise UserError(f"{map_name}.json: {error}") from None


def rules_of(scenario: Map, units: dict[str, Unit], choices: Choices) -> Rules:
    """Return the kernel's constants for a map.

    Args:
        scenario: The map.
        units: Unit types by name.
        choices: The engine's own settings.

    Raises:
        UserError: The armies do not fit into the terrain.
    """
    passable = passable_grids(scenario)
    walkable = passable[WALKS]
    allies = formation(scenario.allies, units, walkable, front_of(scenario.allies, scenario.enemies), choices)
    slots = agent_slots(
        [scenario.ally_types.index(name) for name, _, _ in allies], [x for _, x, _ in allies], [y for _, _, y in allies]
    )
    enemies = formation(scenario.enemies, units, walkable, front_of(scenario.enemies, scenario.allies), choices)
    placed = [allies[i] for i in slots] + enemies
    kinds = sorted({name for name, _, _ in placed})
    row = [units[name] for name, _, _ in placed]

    region = connected(walkable, [group.spawn for group in [*scenario.allies, *scenario.enemies]])

    stand = [(x, y) for _, x, y in placed]
    ends = goals_of_enemies(scenario, units, walkable, choices) or [stand[len(allies) :]]
    goals, goals_to = (stand[: len(allies)] + end for end in (ends[0], ends[-1]))
    type_order = [scenario.ally_types] * len(allies) + [scenario.enemy_types] * len(enemies)
    table_of_units = np.zeros(len(placed), UNIT)
    for i, (entry, unit, types, (_, x, y)) in enumerate(zip(table_of_units, row, type_order, placed, strict=True)):
        fill_statistics(entry, unit, choices)
        entry["kind"] = kinds.index(unit.name)
        entry["damage"][: len(kinds)] = [blow_damage(unit, units[target]) for target in kinds]
        entry["healable"] = any(other.heal and other.heal.attribute in unit.attributes for other in row)
        entry["type_index"] = types.index(unit.name)
        entry["spawn_x"], entry["spawn_y"] = x, y
        entry["goal_x"], entry["goal_y"] = goals[i]
        entry["goal_to_x"], entry["goal_to_y"] = goals_to[i]
    return Rules(
        unit=table_of_units,
        n_allies=len(allies),
        episode_limit=scenario.episode_limit,
        walkable=walkable,
        passable=passable,
        waypoint=np.full((1, 1), -1, np.int16) if is_rectangle(region) else waypoints(walkable, region),
        attack_move=scenario.enemy_attack_move is not None,
        drawn_goal=len(ends) > 1,
        ally_types=len(scenario.ally_types) if len(scenario.ally_types) > 1 else 0,
        enemy_types=len(scenario.enemy_types) if len(scenario.enemy_types) > 1 else 0,
        ally_shields=any(unit.shield > 0 for unit in row[: len(allies)]),
        enemy_shields=any(unit.shield > 0 for unit in row[len(allies) :]),
        healer_rules=any(unit.heal for unit in row[: len(allies)]),
        spare_own_feature=scenario.interface == "smac",
        separation=np.array([unit.separation_radius for unit in row]),
        enemy_points=float(sum(unit.health + unit.shield for unit in row[len(allies) :])),
        acquire_range=np.inf if scenario.enemies_hunt else float(choices.acquire_range),
        notice_range=np.inf if scenario.enemies_hunt else float(choices.notice_range),
        look_every=choices.look_every,
        reaction=choices.reaction,
        prefer_attackers=choices.prefer_attackers,
        splash_edge=float(choices.splash_edge),
        patience=choices.patience,
    )


def goals_of_enemies(
    scenario: Map, units: dict[str, Unit], walkable: NDArray[np.bool_], choices: Choices
) -> list[list[tuple[float, float]]] | None:
    """Return the goals of the enemies' attack-move.

    Returns:
        The goal (x, y) of each enemy, in order of creation: one list for each end of the line on which an episode draws
        the target. None if the enemies have no attack-move.
    """
    ends = []
    front = front_of(scenario.enemies, scenario.allies)
    for x0, y0 in scenario.enemy_attack_move or []:
        if choices.keep_formation:
            army = [Group(group.unit, group.count, (x0, y0)) for group in scenario.enemies]
            ends.append([(x, y) for _, x, y in formation(army, units, walkable, front, choices)])
        else:
            ends.append([(x0, y0)] * sum(group.count for group in scenario.enemies))
    return ends or None


def fill_statistics(entry: Any, unit: Unit, choices: Choices) -> None:
    """Write a unit type's statistics into a record of UNIT, and convert seconds to game loops."""
    loops = LOOPS_PER_SECOND
    entry["health_max"], entry["shield_max"], entry["armor"] = unit.health, unit.shield, unit.armor
    entry["speed"], entry["acceleration"] = unit.speed / loops, unit.acceleration / loops**2
    entry["radius"] = unit.radius
    entry["motion"] = FLIES if unit.plane == "air" else CLIMBS if unit.climbs else WALKS
    entry["health_regeneration"] = unit.health_regeneration / loops
    entry["shield_regeneration"] = unit.shield_regeneration / loops
    entry["shield_delay"] = unit.shield_regeneration_delay * loops
    entry["energy_start"], entry["energy_max"] = unit.energy_start, unit.energy_max
    entry["energy_regeneration"] = unit.energy_regeneration / loops
    entry["cooldown_scale"] = unit.cooldown_scale
    if unit.weapon:
        entry["range"], entry["period"] = unit.weapon.range, unit.weapon.cooldown * loops
        entry["damage_point"] = unit.weapon.damage_point * loops
        entry["backswing"] = unit.weapon.backswing * loops * choices.backswing
        entry["hits"], entry["hit_delay"] = unit.weapon.hits, unit.weapon.hit_delay * loops
        entry["missile_speed"], entry["splash"] = unit.weapon.missile_speed / loops, unit.weapon.splash_radius
        entry["delay"], entry["slop"] = unit.weapon.delay * loops, max(unit.weapon.range_slop, ARRIVED)
        entry["sweep"], entry["sweep_reach"] = unit.weapon.sweep / 2, unit.weapon.sweep_reach
        entry["reaches_air"] = "air" in unit.weapon.targets
        entry["reaches_ground"] = "ground" in unit.weapon.targets
    if unit.heal:
        entry["heals"] = True
        entry["heal_rate"], entry["heal_cost"] = unit.heal.health_per_second / loops, unit.heal.energy_per_health
        entry["heal_range"], entry["heal_scan"] = unit.heal.range, unit.heal.autocast_range
        entry["heal_threshold"] = unit.heal.autocast_energy


def env_info(map_name: str, rules: Rules, options: Any) -> EnvInfo:
    """Return the sizes of a map's interface, by the formulas of SMAC's get_obs_size and get_state_size.

    Args:
        map_name: Canonical name of the map.
        rules: The map's constants.
        options: An `EnvOptions`.
    """
    agents, enemies = rules.n_allies, len(rules.unit) - rules.n_allies
    actions = 6 + enemies
    ally_vitals, enemy_vitals = 1 + rules.ally_shields, 1 + rules.enemy_shields
    own = rules.ally_types + (ally_vitals if options.obs_all_health or options.obs_own_health else 0)
    move = 4 + 8 * options.obs_pathing_grid + 9 * options.obs_terrain_height
    enemy = 4 + rules.enemy_types + enemy_vitals * options.obs_all_health
    ally = 4 + rules.ally_types + ally_vitals * options.obs_all_health + actions * options.obs_last_action
    obs_size = move + enemies * enemy + (agents - 1) * ally + own
    if options.obs_timestep_number:
        obs_size += 1 + rules.spare_own_feature
    if options.obs_instead_of_state:
        state_size = agents * obs_size
    else:
        state_size = agents * (3 + ally_vitals + rules.ally_types) + enemies * (2 + enemy_vitals + rules.enemy_types)
        state_size += agents * actions * options.state_last_action + options.state_timestep_number
    ends_with_actions = options.state_last_action and not (
        options.obs_instead_of_state or options.state_timestep_number
    )
    return EnvInfo(map_name, agents, enemies, actions, obs_size, state_size, rules.episode_limit, ends_with_actions)
