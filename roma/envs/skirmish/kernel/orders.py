"""Rules of battle: orders to the agents' units, from actions or from SMAC's scripted policy."""

from __future__ import annotations

import numpy as np

from roma.envs.skirmish.kernel.combat import can_hit, cancel, needs_healing
from roma.envs.skirmish.kernel.compiler import compiled, inlined
from roma.envs.skirmish.kernel.geometry import distance_between
from roma.envs.skirmish.kernel.layout import ATTACK, HEAL, IDLE, MOVE
from roma.scenarios.actions import EAST, FIRST_TARGET, NORTH, NOTHING, SOUTH, STOP, WEST


@inlined
def give_order(r, u, i, action, move_amount):
    """Turn agent i's action into its unit's order. An order that the game would refuse changes nothing."""
    if action < FIRST_TARGET:
        cancel(u, i)
        u[i].target = -1
        u[i].order = IDLE if action < NORTH else MOVE
        u[i].order_x, u[i].order_y = u[i].x, u[i].y
        if action == NORTH:
            u[i].order_y += move_amount
        elif action == SOUTH:
            u[i].order_y -= move_amount
        elif action == EAST:
            u[i].order_x += move_amount
        elif action == WEST:
            u[i].order_x -= move_amount
        return
    j = action - FIRST_TARGET
    if r.unit[i].heals:
        if needs_healing(r, u, j):
            u[i].order, u[i].target = HEAL, j
        return
    j += r.n_allies
    if can_hit(r, i, j):
        if u[i].target != j:
            cancel(u, i)
        u[i].order, u[i].target = ATTACK, j


@inlined
def may_aim_at(r, u, i, j):
    """Return whether an order of unit i to heal or attack unit j makes sense."""
    return needs_healing(r, u, j) if r.unit[i].heals else u[j].health > 0.0 and can_hit(r, i, j)


@compiled
def script(r, u, last_actions):
    """Give agents the orders of SMAC's `heuristic_ai`: attack the enemy that was nearest when the last target died.

    Targets have no maximal distance. Healers stay with a hurt comrade until it is healed. `last_actions` (A,) receives
    the equivalent actions.
    """
    for i in range(r.n_allies):
        last_actions[i] = NOTHING
        if u[i].health <= 0.0:
            continue
        first, last = (0, r.n_allies) if r.unit[i].heals else (r.n_allies, r.unit.shape[0])
        order = HEAL if r.unit[i].heals else ATTACK
        if u[i].order != order or not may_aim_at(r, u, i, u[i].target):
            cancel(u, i)
            u[i].order, u[i].target = IDLE, -1
            least = np.inf
            for j in range(first, last):
                distance = distance_between(u, i, j)
                if j != i and distance < least and may_aim_at(r, u, i, j):
                    u[i].order, u[i].target, least = order, j, distance
        last_actions[i] = STOP if u[i].target < 0 else FIRST_TARGET + u[i].target - first
