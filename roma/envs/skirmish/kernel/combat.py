"""Rules of battle: choice of targets, attacks and their damage, and healing."""

from __future__ import annotations

import numpy as np

from roma.envs.skirmish.kernel.chance import uniform
from roma.envs.skirmish.kernel.compiler import compiled, inlined
from roma.envs.skirmish.kernel.geometry import distance_between
from roma.envs.skirmish.kernel.layout import ATTACK, FLIES, GUARD
from roma.envs.skirmish.kernel.movement import ARRIVED, go, leave

MIN_DAMAGE = 0.5  # least damage to health that armour leaves
CALL_FOR_HELP = 4.0  # radius within which units join a comrade's fight
LEASH = 21.0  # largest distance from its post at which a guard pursues
JITTER_LOW, JITTER_WIDTH = -1.0, 3.0  # random addition to each cooldown, in loops: -0.0625 s to +0.125 s


@inlined
def can_hit(r, i, j):
    """Return whether unit i's weapon reaches unit j's plane."""
    return r.unit[i].reaches_air if r.unit[j].motion == FLIES else r.unit[i].reaches_ground


@inlined
def hurt(r, u, i, j, places):
    """Apply one blow of unit i to living unit j: first to its shield, then, reduced by armour, to its health."""
    raw = r.unit[i].damage[r.unit[j].kind]
    absorbed = min(u[j].shield, raw)
    u[j].shield -= absorbed
    if raw > absorbed:
        u[j].health -= max(raw - absorbed - r.unit[j].armor, MIN_DAMAGE)
    u[j].unharmed = 0.0
    u[j].offender = i
    if u[j].health <= 0.0:
        u[j].health = 0.0
        leave(r, j, places)


@compiled
def explode(r, u, i, places):
    """Let unit i explode and hit all units of the other side within its splash; units it kills can explode, too."""
    n, allies = r.unit.shape[0], r.n_allies
    u[i].health, u[i].bursting = 0.0, True
    leave(r, i, places)
    k = i
    while k < n:
        if not u[k].bursting:
            k += 1
            continue
        u[k].bursting = False
        first, last = (allies, n) if k < allies else (0, allies)
        for j in range(first, last):
            if u[j].health <= 0.0 or not can_hit(r, k, j):
                continue
            if distance_between(u, k, j) - r.splash_edge * r.unit[j].radius <= r.unit[k].splash:
                hurt(r, u, k, j, places)
                u[j].bursting = u[j].health <= 0.0 and r.unit[j].splash > 0.0
        k = 0


@inlined
def hit(r, u, i, j, places):
    """Apply one blow of unit i to living unit j; let unit j explode if it dies and has a splash."""
    hurt(r, u, i, j, places)
    if u[j].health <= 0.0 and r.unit[j].splash > 0.0:
        explode(r, u, j, places)


@compiled
def sweep(r, u, i, j, places):
    """Hit all units of the other side, except unit j, that touch the line through unit j across the line of fire."""
    n, allies = r.unit.shape[0], r.n_allies
    distance = distance_between(u, i, j)
    ux, uy = 1.0, 0.0  # arbitrary line of fire for a unit exactly above its target
    if distance > 0.0:
        ux, uy = (u[j].x - u[i].x) / distance, (u[j].y - u[i].y) / distance
    first, last = (allies, n) if i < allies else (0, allies)
    for k in range(first, last):
        if k == j or u[k].health <= 0.0 or not can_hit(r, i, k):
            continue
        dx, dy = u[k].x - u[j].x, u[k].y - u[j].y
        along, across = dx * ux + dy * uy, max(abs(dx * uy - dy * ux) - r.unit[i].sweep, 0.0)
        if np.sqrt(along * along + across * across) <= r.unit[i].sweep_reach + r.unit[k].radius:
            hit(r, u, i, k, places)


@compiled
def strike(r, u, i, j, places):
    """Land one blow of unit i on unit j, which may be dead already, with its explosion or sweep."""
    if r.unit[i].splash > 0.0:
        explode(r, u, i, places)
        return
    if r.unit[i].sweep > 0.0:
        sweep(r, u, i, j, places)
    if u[j].health > 0.0:
        hit(r, u, i, j, places)


@inlined
def land_blow(r, u, i, places):
    """Count down released blows and land them. A missile flies on if its shooter dies; a second hit is cancelled."""
    if u[i].blows_left == 0:
        return
    on_its_way = r.unit[i].missile_speed > 0.0 or r.unit[i].delay > 0.0
    u[i].blow -= 1.0
    while u[i].blow <= 0.0 and u[i].blows_left > 0:
        u[i].blows_left -= 1
        u[i].blow += r.unit[i].hit_delay
        j = u[i].blow_target
        reach = r.unit[i].range + r.unit[i].radius + r.unit[j].radius + r.unit[i].slop
        if on_its_way or (u[i].health > 0.0 and distance_between(u, i, j) <= reach):
            strike(r, u, i, j, places)


@compiled
def release(r, u, i, places):
    """Release the attack of unit i after its wind-up: launch the missile or land the first blow."""
    j = u[i].target
    u[i].blow_target, u[i].backswing = j, r.unit[i].backswing
    if r.unit[i].missile_speed > 0.0:
        flight = distance_between(u, i, j) - r.unit[i].radius - r.unit[j].radius
        u[i].blow = max(flight, 0.0) / r.unit[i].missile_speed
        u[i].blows_left = r.unit[i].hits
    elif r.unit[i].delay > 0.0:
        u[i].blow, u[i].blows_left = r.unit[i].delay, r.unit[i].hits
    else:
        u[i].blow = r.unit[i].hit_delay
        u[i].blows_left = r.unit[i].hits - 1
        strike(r, u, i, j, places)


@inlined
def cancel(u, i):
    """Cancel an attack before its first blow, at no cost, or the backswing after it."""
    u[i].backswing = 0.0
    if u[i].windup > 0.0:
        u[i].windup = 0.0
        u[i].cooldown = 0.0


@inlined
def engage(r, u, i, j, random, places):
    """Attack unit j if it is in range; otherwise move towards it."""
    u[i].target = j
    reach = r.unit[i].range + r.unit[i].radius + r.unit[j].radius
    if distance_between(u, i, j) > reach + ARRIVED:
        go(r, u, i, u[j].x, u[j].y, reach, places)
        return
    u[i].pace = 0.0
    if u[i].cooldown <= 0.0:
        u[i].cooldown += r.unit[i].period + JITTER_LOW + JITTER_WIDTH * uniform(random)
        u[i].windup = r.unit[i].damage_point
        if u[i].windup <= 0.0:
            release(r, u, i, places)


@inlined
def in_windup(r, u, i, places):
    """Continue an attack in wind-up; return whether this occupied the unit in this loop."""
    if u[i].windup <= 0.0:
        return False
    j = u[i].target
    reach = r.unit[i].range + r.unit[i].radius + r.unit[j].radius + r.unit[i].slop
    if u[j].health <= 0.0 or distance_between(u, i, j) > reach:
        cancel(u, i)
        return False
    u[i].windup -= 1.0
    if u[i].windup <= 0.0:
        release(r, u, i, places)
    return True


@compiled
def acquire(r, u, i):
    """Return the target of a unit that chooses targets itself; -1 for none.

    The unit keeps its target while it is in range. Otherwise it chooses the nearest enemy in acquire range (on guard:
    in notice range). With `prefer_attackers`, an enemy with an order to attack comes before others. If there is none,
    the unit chooses the unit that hurt it, or the target of a comrade nearby. Between two searches it keeps its target.
    The death of its target brings the next search forward.
    """
    n, allies = r.unit.shape[0], r.n_allies
    held = u[i].target
    if held >= 0 and (u[held].health <= 0.0 or not can_hit(r, i, held)):
        held = -1
        u[i].look = min(u[i].look, r.reaction)
    if held >= 0 and distance_between(u, i, held) <= r.unit[i].range + r.unit[i].radius + r.unit[held].radius:
        return held
    u[i].look -= 1
    if u[i].look > 0:
        return held
    u[i].look = r.look_every
    first, last = (allies, n) if i < allies else (0, allies)
    acquire_range = max(r.unit[i].range, r.notice_range if u[i].order == GUARD else r.acquire_range)
    nearest, least, attacked = -1, acquire_range, False
    for j in range(first, last):
        attacks = r.prefer_attackers and u[j].order == ATTACK
        if attacked and not attacks:
            continue
        bound = (least if attacks == attacked else acquire_range) + r.unit[i].radius + r.unit[j].radius
        dx, dy = u[j].x - u[i].x, u[j].y - u[i].y
        square = dx * dx + dy * dy
        if square <= bound * bound and u[j].health > 0.0 and can_hit(r, i, j):
            nearest, least = j, np.sqrt(square) - r.unit[i].radius - r.unit[j].radius
            attacked = attacks
    if nearest >= 0:
        return nearest
    dx, dy = u[i].x - u[i].order_x, u[i].y - u[i].order_y
    if u[i].order == GUARD and dx * dx + dy * dy > LEASH * LEASH:
        return -1
    if held >= 0:
        return held
    offender = u[i].offender
    if offender >= 0 and u[offender].health > 0.0 and can_hit(r, i, offender):
        return offender
    first, last = (0, allies) if i < allies else (allies, n)
    for j in range(first, last):
        quarry = u[j].target
        if j == i or u[j].health <= 0.0 or r.unit[j].heals or quarry < 0:
            continue
        if u[quarry].health > 0.0 and can_hit(r, i, quarry) and distance_between(u, i, j) <= CALL_FOR_HELP:
            return quarry
    return -1


@inlined
def needs_healing(r, u, j):
    """Return whether unit j is alive, hurt and of a type that can be healed."""
    return r.unit[j].healable and 0.0 < u[j].health < r.unit[j].health_max


@inlined
def heal(r, u, i, j, places):
    """Heal unit j if it is in range; otherwise move towards it."""
    u[i].target = j
    reach = r.unit[i].heal_range + r.unit[i].radius + r.unit[j].radius
    if distance_between(u, i, j) > reach + ARRIVED:
        go(r, u, i, u[j].x, u[j].y, reach, places)
        return
    u[i].pace = 0.0
    given = min(r.unit[i].heal_rate, r.unit[j].health_max - u[j].health, u[i].energy / r.unit[i].heal_cost)
    u[j].health += given
    u[i].energy -= given * r.unit[i].heal_cost


@inlined
def find_patient(r, u, i):
    """Return whom a healer without an order heals: its current patient, else the nearest hurt comrade; -1 for none."""
    n, allies = r.unit.shape[0], r.n_allies
    held = u[i].target
    if held >= 0 and needs_healing(r, u, held) and u[i].energy > 0.0:
        return held
    if u[i].energy < r.unit[i].heal_threshold:
        return -1
    first, last = (0, allies) if i < allies else (allies, n)
    nearest, least = -1, r.unit[i].heal_scan
    for j in range(first, last):
        if j != i and needs_healing(r, u, j):
            distance = distance_between(u, i, j) - r.unit[i].radius - r.unit[j].radius
            if distance <= least:
                nearest, least = j, distance
    return nearest
