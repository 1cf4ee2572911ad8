"""SMAC's interface: observations, state, available actions, rewards and results."""

from __future__ import annotations

import numpy as np

from roma.envs.skirmish.kernel.compiler import compiled, inlined
from roma.envs.skirmish.kernel.layout import DRAW, GOES_ON, LOST, TIME_OUT, WON
from roma.scenarios.actions import EAST, FIRST_TARGET, NORTH, NOTHING, SHOOT_RANGE, SIGHT_RANGE, SOUTH, STOP
from roma.scenarios.rows import COOLDOWN, ENERGY, HEALTH, SHIELD, X, Y


@inlined
def write_availability(r, o, walkable, units, avail):
    """Write the available actions (A, U) at a snapshot (N, 6)."""
    n, allies = r.unit.shape[0], r.n_allies
    probe = o.move_amount / 2
    height, width = walkable.shape
    avail[:] = False
    for i in range(allies):
        if units[i, HEALTH] <= 0.0:
            avail[i, NOTHING] = True
            continue
        avail[i, STOP] = True
        x, y = units[i, X], units[i, Y]
        for action in range(NORTH, FIRST_TARGET):
            to_x, to_y = x, y
            if action == NORTH:
                to_y += probe
            elif action == SOUTH:
                to_y -= probe
            elif action == EAST:
                to_x += probe
            else:
                to_x -= probe
            # SMAC truncates towards zero: at the left and lower border the cell is 0, not -1.
            cell_x, cell_y = int(to_x), int(to_y)
            avail[i, action] = 0 <= cell_x < width and 0 <= cell_y < height and walkable[cell_y, cell_x]
        first, last = (0, allies) if r.unit[i].heals else (allies, n)
        for j in range(first, last):
            if units[j, HEALTH] <= 0.0 or (r.unit[i].heals and r.unit[j].heals):
                continue
            dx, dy = units[j, X] - x, units[j, Y] - y
            avail[i, FIRST_TARGET + j - first] = dx * dx + dy * dy <= SHOOT_RANGE * SHOOT_RANGE


@inlined
def write_vitals(r, units, i, shields, out, at):
    """Write health, and shield if the side has shields, as fractions; return the next free index."""
    out[at] = units[i, HEALTH] / r.unit[i].health_max
    at += 1
    if shields:
        out[at] = units[i, SHIELD] / r.unit[i].shield_max if r.unit[i].shield_max > 0.0 else 0.0
        at += 1
    return at


@inlined
def write_other(r, o, units, i, j, first, shields, types, obs, at):
    """Write unit j as agent i sees it, with `first` as its first feature; return whether it is in sight.

    Nothing is written for a dead unit or a unit out of sight.
    """
    dx, dy = units[j, X] - units[i, X], units[j, Y] - units[i, Y]
    square = dx * dx + dy * dy
    if units[j, HEALTH] <= 0.0 or square >= SIGHT_RANGE * SIGHT_RANGE:
        return False
    obs[at] = first
    obs[at + 1] = np.sqrt(square) / SIGHT_RANGE
    obs[at + 2] = dx / SIGHT_RANGE
    obs[at + 3] = dy / SIGHT_RANGE
    at += 4
    if o.obs_all_health:
        at = write_vitals(r, units, j, shields, obs, at)
    if types > 0:
        obs[at + r.unit[j].type_index] = 1.0
    return True


@inlined
def write_observation(r, o, walkable, terrain_height, units, last_actions, step, avail, i, obs):
    """Write the observation (O,) of agent i."""
    n, allies, actions = r.unit.shape[0], r.n_allies, avail.shape[1]
    obs[:] = 0.0
    if o.obs_timestep_number:
        obs[obs.shape[0] - 1] = step / r.episode_limit
    if units[i, HEALTH] <= 0.0:
        return
    x, y = units[i, X], units[i, Y]
    for action in range(4):
        obs[action] = avail[i, NORTH + action]
    at = 4
    if o.obs_pathing_grid or o.obs_terrain_height:
        at = write_surroundings(o, walkable, terrain_height, x, y, obs, at)
    vitals = 1 if o.obs_all_health else 0
    for j in range(allies, n):
        enemy_action = avail[i, FIRST_TARGET + j - allies]
        write_other(r, o, units, i, j, enemy_action, r.enemy_shields, r.enemy_types, obs, at)
        at += 4 + vitals * (1 + r.enemy_shields) + r.enemy_types
    for j in range(allies):
        if j == i:
            continue
        seen = write_other(r, o, units, i, j, True, r.ally_shields, r.ally_types, obs, at)
        at += 4 + vitals * (1 + r.ally_shields) + r.ally_types
        if o.obs_last_action:
            if seen and last_actions[j] >= 0:
                obs[at + last_actions[j]] = 1.0
            at += actions
    if o.obs_all_health or o.obs_own_health:
        at = write_vitals(r, units, i, r.ally_shields, obs, at)
    if r.ally_types > 0:
        obs[at + r.unit[i].type_index] = 1.0


@compiled
def write_surroundings(o, walkable, terrain_height, x, y, obs, at):
    """Write walkability (8) and height (9) of points around (x, y); return the next free index.

    Both are 1 outside the map.
    """
    height, width = walkable.shape
    far, near = 2 * int(o.move_amount), int(o.move_amount)
    offsets = (
        (0, far),
        (0, -far),
        (far, 0),
        (-far, 0),
        (near, near),
        (-near, -near),
        (near, -near),
        (-near, near),
        (0, 0),
    )
    for layer in range(2):
        if (layer == 0 and not o.obs_pathing_grid) or (layer == 1 and not o.obs_terrain_height):
            continue
        for k in range(8 + layer):
            cell_x, cell_y = int(x) + offsets[k][0], int(y) + offsets[k][1]
            obs[at] = 1.0
            if 0 <= cell_x < width and 0 <= cell_y < height:
                obs[at] = walkable[cell_y, cell_x] if layer == 0 else terrain_height[cell_y, cell_x] / 255.0
            at += 1
    return at


@inlined
def write_state(r, o, size, units, last_actions, step, actions, obs, state):
    """Write the global state (S,). Positions are centred and divided by `size`, the extent of the map."""
    state[:] = 0.0
    if o.obs_instead_of_state:
        for i in range(obs.shape[0]):
            for k in range(obs.shape[1]):
                state[i * obs.shape[1] + k] = obs[i, k]
        return
    n, allies = r.unit.shape[0], r.n_allies
    at = 0
    for i in range(n):
        mine = i < allies
        shields = r.ally_shields if mine else r.enemy_shields
        types = r.ally_types if mine else r.enemy_types
        if units[i, HEALTH] > 0.0:
            place = at
            state[place] = units[i, HEALTH] / r.unit[i].health_max
            place += 1
            if mine:
                healer = r.healer_rules and r.unit[i].heals
                state[place] = (
                    units[i, ENERGY] / r.unit[i].energy_max if healer else units[i, COOLDOWN] / r.unit[i].cooldown_scale
                )
                place += 1
            state[place] = (units[i, X] - size / 2) / size
            state[place + 1] = (units[i, Y] - size / 2) / size
            place += 2
            if shields:
                state[place] = units[i, SHIELD] / r.unit[i].shield_max if r.unit[i].shield_max > 0.0 else 0.0
                place += 1
            if types > 0:
                state[place + r.unit[i].type_index] = 1.0
        at += 3 + mine + shields + types
    if o.state_last_action:
        for i in range(allies):
            if last_actions[i] >= 0:
                state[at + last_actions[i]] = 1.0
            at += actions
    if o.state_timestep_number:
        state[at] = step / r.episode_limit


@compiled
def observe(r, o, walkable, terrain_height, units, last_actions, step, obs, state, avail):
    """Write observations (A, O), state (S,) and available actions (A, U) at one snapshot (N, 6)."""
    write_availability(r, o, walkable, units, avail)
    for i in range(r.n_allies):
        write_observation(r, o, walkable, terrain_height, units, last_actions, step, avail, i, obs[i])
    write_state(r, o, walkable.shape[0], units, last_actions, step, avail.shape[1], obs, state)


@compiled
def observe_many(r, o, terrain_height, snapshots, last_actions, steps, obs, state, avail):
    """Apply `observe` to M snapshots (M, N, 6)."""
    for m in range(snapshots.shape[0]):
        observe(r, o, r.walkable, terrain_height, snapshots[m], last_actions[m], steps[m], obs[m], state[m], avail[m])


@compiled
def settle(r, o, before, after, counted, step):
    """Return SMAC's scaled reward for one timestep, and its result (GOES_ON, WON, LOST, DRAW or TIME_OUT).

    `before` and `after` are snapshots (N, 6). `counted` (N,) marks deaths that earlier rewards include, and is updated.
    `step` is the number of timesteps played, including this one.
    """
    n, allies = r.unit.shape[0], r.n_allies
    damage_dealt, deaths_dealt, damage_taken, deaths_taken = 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        if counted[i]:
            continue
        points = before[i, HEALTH] + before[i, SHIELD]
        if after[i, HEALTH] > 0.0:
            points -= after[i, HEALTH] + after[i, SHIELD]
        if i < allies:
            damage_taken += points
        else:
            damage_dealt += points
        if after[i, HEALTH] <= 0.0:
            counted[i] = True
            if i < allies:
                deaths_taken += o.reward_death_value
            else:
                deaths_dealt += o.reward_death_value
    if o.reward_only_positive:
        reward = abs(damage_dealt + deaths_dealt)
    else:
        reward = damage_dealt + deaths_dealt - o.reward_negative_scale * (damage_taken + deaths_taken)

    fighters, healers, foes, foe_healers = 0, 0, 0, 0
    for i in range(n):
        if after[i, HEALTH] > 0.0:
            if i < allies:
                fighters += 0 if r.unit[i].heals else 1
                healers += 1 if r.unit[i].heals else 0
            else:
                foes += 1
                foe_healers += 1 if r.unit[i].heals else 0
    end = GOES_ON
    if (fighters + healers == 0 and foes > 0) or (r.healer_rules and fighters == 0):
        end = LOST
    elif fighters + healers > 0 and (foes == 0 or (r.healer_rules and foes == 1 and foe_healers == 1)):
        end = WON
    elif fighters + healers == 0:
        end = DRAW
    elif step >= r.episode_limit:
        end = TIME_OUT

    if o.reward_sparse:
        reward = 1.0 if end == WON else -1.0 if end == LOST else 0.0
    elif end == WON:
        reward += o.reward_win
    elif end == LOST:
        reward += o.reward_defeat
    if o.reward_scale:
        most = r.enemy_points + (n - allies) * o.reward_death_value + o.reward_win
        reward /= most / o.reward_scale_rate
    return reward, end
