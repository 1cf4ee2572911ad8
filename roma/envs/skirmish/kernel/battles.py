"""E battles at once: resets, and timesteps under actions or under the scripted policy."""

from __future__ import annotations

import numpy as np

from roma.envs.skirmish.kernel.chance import uniform
from roma.envs.skirmish.kernel.compiler import compiled, inlined
from roma.envs.skirmish.kernel.interface import observe, settle
from roma.envs.skirmish.kernel.layout import ATTACK_MOVE, GOES_ON, GUARD, IDLE, LOOPS_PER_STEP
from roma.envs.skirmish.kernel.loop import play_loop
from roma.envs.skirmish.kernel.orders import give_order, script
from roma.scenarios.rows import COOLDOWN, ENERGY, HEALTH, SHIELD, X, Y


@compiled
def begin(r, s, b, seed):
    """Begin a new episode in battle b."""
    s.random[b, 0] = np.uint64(seed) * np.uint64(0xD1342543DE82EF95) + np.uint64(0x632BE59BD9B4E019)
    s.step[b] = 0
    u = s.units[b]
    share = uniform(s.random[b]) if r.drawn_goal else 1.0
    for i in range(r.unit.shape[0]):
        u[i].x, u[i].y = r.unit[i].spawn_x, r.unit[i].spawn_y
        u[i].health, u[i].shield = r.unit[i].health_max, r.unit[i].shield_max
        u[i].energy, u[i].cooldown, u[i].pace = r.unit[i].energy_start, 0.0, 0.0
        u[i].order = IDLE if i < r.n_allies else ATTACK_MOVE if r.attack_move else GUARD
        u[i].order_x = share * r.unit[i].goal_x + (1.0 - share) * r.unit[i].goal_to_x
        u[i].order_y = share * r.unit[i].goal_y + (1.0 - share) * r.unit[i].goal_to_y
        u[i].target, u[i].offender, u[i].blow_target = -1, -1, -1
        u[i].windup, u[i].backswing, u[i].blow, u[i].blows_left = 0.0, 0.0, 0.0, 0
        u[i].look, u[i].patience = i % r.look_every, 0
        u[i].waiting, u[i].arrived, u[i].bursting = False, False, False
        u[i].unharmed = r.unit[i].shield_delay
        u[i].side, u[i].detour = 1.0 if i % 2 == 0 else -1.0, 0
        s.turn[b, i] = i
        s.counted[b, i] = False
    s.last_actions[b, :] = -1


@compiled
def pack(u, snapshot):
    """Copy units (N,) into a snapshot (N, 6)."""
    for i in range(snapshot.shape[0]):
        snapshot[i, X], snapshot[i, Y] = u[i].x, u[i].y
        snapshot[i, HEALTH], snapshot[i, SHIELD] = u[i].health, u[i].shield
        snapshot[i, ENERGY], snapshot[i, COOLDOWN] = u[i].energy, u[i].cooldown


@compiled
def reset_battles(r, o, terrain_height, s, seeds, chosen, snapshots, obs, state, avail):
    """Begin new episodes in the chosen battles."""
    for b in range(seeds.shape[0]):
        if chosen[b]:
            begin(r, s, b, seeds[b])
            pack(s.units[b], snapshots[b])
            observe(r, o, r.walkable, terrain_height, snapshots[b], s.last_actions[b], 0, obs[b], state[b], avail[b])


@inlined
def play_timestep(r, o, terrain_height, s, b, before, snapshots, obs, state, avail):
    """Play one timestep of battle b under the units' current orders; return the scaled reward and the result."""
    pack(s.units[b], before)
    for _ in range(LOOPS_PER_STEP):
        play_loop(r, s.units[b], s.turn[b], s.random[b], s.places)
    s.step[b] += 1
    pack(s.units[b], snapshots[b])
    reward, end = settle(r, o, before, snapshots[b], s.counted[b], s.step[b])
    observe(r, o, r.walkable, terrain_height, snapshots[b], s.last_actions[b], s.step[b], obs[b], state[b], avail[b])
    return reward, end


@compiled
def step_battles(r, o, terrain_height, s, actions, active, before, snapshots, obs, state, avail, reward, end):
    """Play one timestep of every active battle.

    Return -1, or b * A + i for the first unavailable action, that of agent i in battle b; nothing is played then.
    """
    allies = r.n_allies
    for b in range(actions.shape[0]):
        if active[b]:
            for i in range(allies):
                if not 0 <= actions[b, i] < avail.shape[2] or not avail[b, i, actions[b, i]]:
                    return b * allies + i
    for b in range(actions.shape[0]):
        reward[b], end[b] = 0.0, GOES_ON
        if not active[b]:
            continue
        for i in range(allies):
            s.last_actions[b, i] = actions[b, i]
            if s.units[b, i].health > 0.0:
                give_order(r, s.units[b], i, actions[b, i], o.move_amount)
        reward[b], end[b] = play_timestep(r, o, terrain_height, s, b, before, snapshots, obs, state, avail)
    return -1


@compiled
def step_scripted(r, o, terrain_height, s, active, before, snapshots, obs, state, avail, reward, end):
    """Play one timestep of every active battle, with SMAC's scripted policy controlling the agents."""
    for b in range(active.shape[0]):
        reward[b], end[b] = 0.0, GOES_ON
        if active[b]:
            script(r, s.units[b], s.last_actions[b])
            reward[b], end[b] = play_timestep(r, o, terrain_height, s, b, before, snapshots, obs, state, avail)
