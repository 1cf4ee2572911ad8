"""The rules of battle and SMAC's interface, compiled: every number that a learner sees comes out of this file.

Unit i of a battle is record `u[i]` of LIFE, its constants are `r.unit[i]`; agents come first, then enemies. Time is
counted in game loops (1/16 s), distance in map units. Only + - * / sqrt floor are used, nothing is parallel and
nothing contracted, so one seed gives the same battle bit for bit on every x86-64 machine and at every number of
battles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit

NOTHING, STOP, NORTH, SOUTH, EAST, WEST, FIRST_TARGET = range(7)  # action indices
SHOOT_RANGE, SIGHT_RANGE = 6.0, 9.0  # SMAC's, centre to centre, the same for every unit
LOOPS_PER_STEP = 8

IDLE, MOVE, ATTACK, HEAL, ATTACK_MOVE, GUARD = range(6)  # orders; from ATTACK_MOVE on a unit looks for fights itself
X, Y, HEALTH, SHIELD, ENERGY, COOLDOWN = range(6)  # columns of a snapshot's unit row
GOES_ON, WON, LOST, DRAW, TIME_OUT = range(5)  # how a timestep ended

MIN_DAMAGE = 0.5  # what armour always lets through
RANGE_SLOP = 1.0  # how far beyond its range a begun attack still follows its target
CALL_FOR_HELP = 4.0  # radius in which comrades join a fight
LEASH = 21.0  # how far from where it stood an enemy without orders pursues
JITTER_LOW, JITTER_WIDTH = -1.0, 3.0  # random addition to each cooldown, in loops: -0.0625 s to +0.125 s
ARRIVED = 1e-6

# Detours around an obstacle, by how far they turn from the straight way: 0, 30, 60, 90, 120 degrees (cosine, sine).
TURN_COS = (1.0, 0.8660254037844387, 0.5, 0.0, -0.5)
TURN_SIN = (0.0, 0.5, 0.8660254037844386, 1.0, 0.8660254037844387)
SLIDE_TURN = 2  # walls are followed by turns that still gain ground; only units are rounded by wider ones


def compiled(function: Callable[..., Any]) -> Any:
    """Numba's njit for code that allocates nothing, its machine code kept on disk where anything is writable.

    Without Numba's reference counting (`_nrt`), whose atomic operations would take most of the time of small functions.
    """
    return _cached(function, _nrt=False)


def inlined(function: Callable[..., Any]) -> Any:
    """`compiled`, set into its callers: passing the rules by value costs more than most of these functions do."""
    return _cached(function, _nrt=False, forceinline=True)


def _cached(function: Callable[..., Any], **options: Any) -> Any:
    options["error_model"] = "numpy"  # no test for division by zero before each division
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package nor the user's cache folder can be written
        return njit(**options)(function)


# Constants of one unit: its type's statistics in loops and map units, and its place in the map.
UNIT = np.dtype(
    [
        ("kind", np.int64),  # unit type, index into `damage`
        ("damage", np.float64, (8,)),  # of one blow, before armour, by the target's type
        ("health_max", np.float64),
        ("shield_max", np.float64),
        ("armor", np.float64),
        ("speed", np.float64),  # per loop
        ("acceleration", np.float64),  # per loop and loop
        ("radius", np.float64),
        ("separation", np.float64),
        ("flies", np.bool_),
        ("health_regeneration", np.float64),  # per loop
        ("shield_regeneration", np.float64),  # per loop
        ("shield_delay", np.float64),  # loops
        ("energy_start", np.float64),
        ("energy_max", np.float64),
        ("energy_regeneration", np.float64),  # per loop
        ("range", np.float64),  # of the weapon, edge to edge; 0 without one
        ("period", np.float64),  # loops
        ("damage_point", np.float64),  # loops
        ("backswing", np.float64),  # loops
        ("hits", np.int64),
        ("hit_delay", np.float64),  # loops
        ("missile_speed", np.float64),  # per loop; 0: at once
        ("splash", np.float64),
        ("reaches_air", np.bool_),
        ("reaches_ground", np.bool_),
        ("heals", np.bool_),
        ("heal_rate", np.float64),  # health per loop
        ("heal_cost", np.float64),  # energy per health
        ("heal_range", np.float64),
        ("heal_scan", np.float64),
        ("heal_threshold", np.float64),
        ("healable", np.bool_),
        ("spawn_x", np.float64),
        ("spawn_y", np.float64),
        ("goal_x", np.float64),  # where an enemy is ordered to, or where it stands guard
        ("goal_y", np.float64),
        ("type_index", np.int64),  # place in the one-hot type bits
        ("cooldown_scale", np.float64),
    ],
    align=True,
)

# The changing part of one unit.
LIFE = np.dtype(
    [
        ("x", np.float64),
        ("y", np.float64),
        ("health", np.float64),
        ("shield", np.float64),
        ("energy", np.float64),
        ("cooldown", np.float64),  # loops until the next attack may begin
        ("pace", np.float64),  # current speed
        ("order", np.int64),
        ("order_x", np.float64),
        ("order_y", np.float64),
        ("target", np.int64),  # unit attacked, chased or healed; -1 none
        ("windup", np.float64),  # loops until the blow of a begun attack
        ("backswing", np.float64),  # loops for which it cannot follow the target it has just struck at
        ("blow", np.float64),  # loops until a blow already struck lands (missile, second hit)
        ("blow_target", np.int64),
        ("blows_left", np.int64),
        ("unharmed", np.float64),  # loops since the last damage
        ("offender", np.int64),  # who dealt it; -1 none
        ("side", np.float64),  # on which side obstacles are rounded, +1 or -1
        ("detour", np.int64),  # the turn it last took round something; 0 on a straight way
        ("waiting", np.bool_),  # wants to move and was blocked in this loop
        ("way_x", np.float64),  # where the unit wants to go in this loop
        ("way_y", np.float64),
        ("gap", np.float64),  # how far from there it stops
        ("look", np.int64),  # loops until it looks for a better target
        ("patience", np.int64),  # loops for which it stands still after finding no way
        ("arrived", np.bool_),  # at its goal, or behind others who are
        ("bursting", np.bool_),  # dead, its explosion still to be worked out
    ],
    align=True,
)


class Rules(NamedTuple):
    """One map's constants."""

    unit: Any  # (N,) of UNIT
    n_allies: int
    episode_limit: int  # timesteps
    walkable: Any  # (32, 32), [y, x]
    waypoint: Any  # (cells, cells) next cell on the way from one cell to another; (1, 1) where all ways are straight
    attack_move: bool  # whether enemies march to their goal; otherwise they return to it after a fight
    ally_types: int  # number of type bits, 0 on maps of one type
    enemy_types: int
    ally_shields: bool
    enemy_shields: bool
    healer_rules: bool  # SMAC's MMM maps: a healer alone neither holds nor loses the field
    spare_own_feature: bool  # SMAC, not the authors' fork, leaves an extra zero where it counts the timestep
    widest: float  # largest separation radius
    enemy_points: float  # health and shield of all enemies at the start
    acquire_range: float  # the least; see `Choices` for this and the following
    look_every: int
    patience: int
    prefer_attackers: bool


class Battles(NamedTuple):
    """The changing part of E battles."""

    units: Any  # (E, N) of LIFE
    turn: Any  # (E, N) order of acting in this loop
    counted: Any  # (E, N) death already paid for in the reward
    last_actions: Any  # (E, A), -1 after reset
    step: Any  # (E,) timesteps played
    random: Any  # (E, 1) state of the battle's random stream
    near: Any  # (N + 1,) scratch: neighbours of the unit that moves


# --- chance ----------------------------------------------------------------------------------------------------------


@inlined
def uniform(random):
    """Next number in [0, 1) of a stream (1,) (SplitMix64: a counter and a mixer)."""
    random[0] += np.uint64(0x9E3779B97F4A7C15)
    z = random[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@inlined
def shuffle(turn, random):
    """Put the order of acting (N,) into a new random order."""
    for k in range(turn.shape[0] - 1, 0, -1):
        j = int(uniform(random) * (k + 1))
        turn[k], turn[j] = turn[j], turn[k]


# --- geometry --------------------------------------------------------------------------------------------------------


@inlined
def is_walkable(walkable, x, y):
    """Whether a point lies on walkable ground; outside the map nothing does."""
    return 0.0 <= x < walkable.shape[1] and 0.0 <= y < walkable.shape[0] and walkable[int(y), int(x)]


@inlined
def may_step(r, i, x, y, to_x, to_y):
    """Whether terrain lets unit i step from (x, y) to (to_x, to_y). No slipping through between two blocked corners."""
    height, width = r.walkable.shape
    if r.unit[i].flies:
        return 0.0 <= to_x < width and 0.0 <= to_y < height
    return is_walkable(r.walkable, to_x, to_y) and (
        is_walkable(r.walkable, x, to_y) or is_walkable(r.walkable, to_x, y)
    )


@compiled
def sees_cell(walkable, start, end):
    """Whether the straight way between the centres of two cells is walkable."""
    width = walkable.shape[1]
    x, y = start % width + 0.5, start // width + 0.5
    to_x, to_y = end % width + 0.5, end // width + 0.5
    pieces = 8 * (abs(int(to_x) - int(x)) + abs(int(to_y) - int(y)))
    for k in range(1, pieces):
        px, py = x + (to_x - x) * k / pieces, y + (to_y - y) * k / pieces
        if not is_walkable(walkable, px, py):
            return False
    return True


@_cached
def waypoints(walkable, region):
    """For each pair of cells of `region` the cell to walk to first: the farthest in sight on a shortest way.

    region: (32, 32) cells connected on foot. Returns (cells, cells) int16, -1 where there is no way.
    """
    height, width = walkable.shape
    cells = height * width
    table = np.full((cells, cells), -1, np.int16)
    for end in range(cells):
        if not region[end // width, end % width]:
            continue
        # Distances to `end` by relaxation: the regions are small and this runs once per map.
        distance = np.full(cells, np.inf)
        following = np.full(cells, -1, np.int64)
        distance[end] = 0.0
        following[end] = end
        changed = True
        while changed:
            changed = False
            for cell in range(cells):
                if not region[cell // width, cell % width]:
                    continue
                cx, cy = cell % width, cell // width
                for dy in range(-1, 2):
                    for dx in range(-1, 2):
                        nx, ny = cx + dx, cy + dy
                        if (dx == 0 and dy == 0) or not (0 <= nx < width and 0 <= ny < height) or not region[ny, nx]:
                            continue
                        if dx != 0 and dy != 0 and not (region[cy, nx] and region[ny, cx]):
                            continue
                        length = distance[ny * width + nx] + (1.4142135623730951 if dx != 0 and dy != 0 else 1.0)
                        if length < distance[cell] - 1e-9:
                            distance[cell] = length
                            following[cell] = ny * width + nx
                            changed = True
        for cell in range(cells):
            if following[cell] < 0:
                continue
            ahead, nearest = cell, cell
            while ahead != end:
                ahead = following[ahead]
                if nearest == cell or sees_cell(walkable, cell, ahead):
                    nearest = ahead
            if sees_cell(walkable, cell, end):
                nearest = end
            table[cell, end] = nearest
    return table


# --- movement --------------------------------------------------------------------------------------------------------


@inlined
def neighbours(r, u, i, stride, near):
    """Write into `near` who could be in the way of unit i within one stride; returns how many."""
    x, y, count = u[i].x, u[i].y, 0
    bound = r.unit[i].separation + r.widest + stride
    for j in range(u.shape[0]):
        # Without branches: which units are close is not predictable, and this loop is the busiest of all.
        near[count] = j
        count += (abs(u[j].x - x) < bound) & (abs(u[j].y - y) < bound) & (u[j].health > 0.0)
    kept = 0
    for k in range(count):
        j = near[k]
        if j != i and r.unit[j].flies == r.unit[i].flies:
            near[kept] = j
            kept += 1
    return kept


@inlined
def collides(r, u, i, x, y, near, count):
    """Whether unit i, standing at (x, y), would push into a neighbour that it is not already leaving."""
    for k in range(count):
        j = near[k]
        dx, dy = u[j].x - x, u[j].y - y
        reach = r.unit[i].separation + r.unit[j].separation
        distance = dx * dx + dy * dy
        if distance < reach * reach:
            was_x, was_y = u[j].x - u[i].x, u[j].y - u[i].y
            if distance < was_x * was_x + was_y * was_y:
                return True
    return False


@compiled
def walk(r, u, i, near, around):
    """Move unit i one loop towards its way point; `around`: round what is in the way. False when it was blocked.

    Who rounds something stays on its side and turns back by one notch a loop at most: without that memory a unit that
    has left a gap too narrow for it would walk into it again.
    """
    x, y = u[i].x, u[i].y
    to_x, to_y, gap = u[i].way_x, u[i].way_y, u[i].gap
    if r.waypoint.shape[0] > 1 and not r.unit[i].flies:
        width = r.walkable.shape[1]
        if is_walkable(r.walkable, to_x, to_y):
            end = int(to_y) * width + int(to_x)
            first = r.waypoint[int(y) * width + int(x), end]
            if first >= 0 and first != end:
                to_x, to_y, gap = first % width + 0.5, first // width + 0.5, 0.0
    dx, dy = to_x - x, to_y - y
    distance = np.sqrt(dx * dx + dy * dy)
    left = distance - gap
    if left <= ARRIVED:
        u[i].pace = 0.0
        return True
    pace = min(u[i].pace + r.unit[i].acceleration, r.unit[i].speed)
    stride = min(pace, left)
    ux, uy = dx / distance, dy / distance

    count = neighbours(r, u, i, stride, near)
    to_x, to_y = x + ux * stride, y + uy * stride
    free = may_step(r, i, x, y, to_x, to_y)
    if not around:
        if u[i].detour > 1 or not free or collides(r, u, i, to_x, to_y, near, count):
            return False
        u[i].x, u[i].y, u[i].pace, u[i].detour = to_x, to_y, pace, 0
        return True
    widest = len(TURN_COS) - 1 if free else SLIDE_TURN
    least = max(u[i].detour - 1, 1)
    for _ in range(2):
        for turn in range(least, widest + 1):
            to_x = x + stride * (ux * TURN_COS[turn] - u[i].side * uy * TURN_SIN[turn])
            to_y = y + stride * (u[i].side * ux * TURN_SIN[turn] + uy * TURN_COS[turn])
            if may_step(r, i, x, y, to_x, to_y) and not collides(r, u, i, to_x, to_y, near, count):
                u[i].x, u[i].y, u[i].pace, u[i].detour = to_x, to_y, pace, turn
                return True
        u[i].side, least = -u[i].side, 1
    u[i].pace, u[i].detour = 0.0, 0
    return False


@inlined
def go(r, u, i, x, y, gap, near):
    """Send unit i towards a point, to stop `gap` short of it. Straight at first; who is blocked tries again later."""
    if u[i].backswing > 0.0 and u[u[i].blow_target].health > 0.0:
        return
    if u[i].patience > 0:
        u[i].patience -= 1
        return
    u[i].way_x, u[i].way_y, u[i].gap = x, y, gap
    u[i].waiting = not walk(r, u, i, near, False)


# --- combat ----------------------------------------------------------------------------------------------------------


@inlined
def distance_between(u, i, j):
    """Centre to centre."""
    dx, dy = u[j].x - u[i].x, u[j].y - u[i].y
    return np.sqrt(dx * dx + dy * dy)


@inlined
def can_hit(r, i, j):
    """Whether unit i's weapon reaches unit j's plane."""
    return r.unit[i].reaches_air if r.unit[j].flies else r.unit[i].reaches_ground


@inlined
def hurt(r, u, i, j):
    """One blow of unit i against living unit j: shield first, then health less armour."""
    raw = r.unit[i].damage[r.unit[j].kind]
    absorbed = min(u[j].shield, raw)
    u[j].shield -= absorbed
    if raw > absorbed:
        u[j].health -= max(raw - absorbed - r.unit[j].armor, MIN_DAMAGE)
    u[j].unharmed = 0.0
    u[j].offender = i
    if u[j].health <= 0.0:
        u[j].health = 0.0


@compiled
def explode(r, u, i):
    """Unit i bursts: all of the other side within its splash are hit, and whoever bursts when it dies bursts too."""
    n, allies = r.unit.shape[0], r.n_allies
    u[i].health, u[i].bursting = 0.0, True
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
            if distance_between(u, k, j) - r.unit[j].radius <= r.unit[k].splash:
                hurt(r, u, k, j)
                u[j].bursting = u[j].health <= 0.0 and r.unit[j].splash > 0.0
        k = 0


@compiled
def strike(r, u, i, j):
    """Land one blow of unit i on unit j, with what follows from it."""
    if r.unit[i].splash > 0.0:
        explode(r, u, i)
    elif u[j].health > 0.0:
        hurt(r, u, i, j)
        if u[j].health <= 0.0 and r.unit[j].splash > 0.0:
            explode(r, u, j)


@inlined
def land_blow(r, u, i):
    """Count down a blow already struck. A missile flies on when its shooter dies; a second hit does not."""
    if u[i].blows_left == 0:
        return
    missile = r.unit[i].missile_speed > 0.0
    u[i].blow -= 1.0
    if u[i].blow > 0.0:
        return
    u[i].blows_left -= 1
    u[i].blow += r.unit[i].hit_delay
    j = u[i].blow_target
    reach = r.unit[i].range + r.unit[i].radius + r.unit[j].radius + RANGE_SLOP
    if missile or (u[i].health > 0.0 and distance_between(u, i, j) <= reach):
        strike(r, u, i, j)


@compiled
def release(r, u, i):
    """The attack that unit i has wound up leaves its hands."""
    j = u[i].target
    u[i].blow_target, u[i].backswing = j, r.unit[i].backswing
    if r.unit[i].missile_speed > 0.0:
        flight = distance_between(u, i, j) - r.unit[i].radius - r.unit[j].radius
        u[i].blow = max(flight, 0.0) / r.unit[i].missile_speed
        u[i].blows_left = r.unit[i].hits
    else:
        u[i].blow = r.unit[i].hit_delay
        u[i].blows_left = r.unit[i].hits - 1
        strike(r, u, i, j)


@inlined
def cancel(u, i):
    """Break off an attack that has not struck yet, which costs nothing, or the backswing of one that has."""
    u[i].backswing = 0.0
    if u[i].windup > 0.0:
        u[i].windup = 0.0
        u[i].cooldown = 0.0


@inlined
def engage(r, u, i, j, random, near):
    """Attack unit j if it is in range, otherwise close in."""
    u[i].target = j
    reach = r.unit[i].range + r.unit[i].radius + r.unit[j].radius
    if distance_between(u, i, j) > reach + ARRIVED:
        go(r, u, i, u[j].x, u[j].y, reach, near)
        return
    u[i].pace = 0.0
    if u[i].cooldown <= 0.0:
        u[i].cooldown += r.unit[i].period + JITTER_LOW + JITTER_WIDTH * uniform(random)
        u[i].windup = r.unit[i].damage_point
        if u[i].windup <= 0.0:
            release(r, u, i)


@inlined
def in_windup(r, u, i):
    """Carry on a begun attack. True while (and when) it takes up the unit's loop."""
    if u[i].windup <= 0.0:
        return False
    j = u[i].target
    reach = r.unit[i].range + r.unit[i].radius + r.unit[j].radius + RANGE_SLOP
    if u[j].health <= 0.0 or distance_between(u, i, j) > reach:
        cancel(u, i)
        return False
    u[i].windup -= 1.0
    if u[i].windup <= 0.0:
        release(r, u, i)
    return True


@compiled
def acquire(r, u, i):
    """Whom a unit that looks for fights attacks: its target while in range, else the nearest in acquire range, those
    with an order to attack before others, else whoever hurt it or a comrade close by is fighting; -1 nobody. Between
    two looks around it stays with what it had."""
    n, allies = r.unit.shape[0], r.n_allies
    held = u[i].target
    if held >= 0 and (u[held].health <= 0.0 or not can_hit(r, i, held)):
        held = -1
    if held >= 0 and distance_between(u, i, held) <= r.unit[i].range + r.unit[i].radius + r.unit[held].radius:
        return held
    u[i].look -= 1
    if u[i].look > 0:
        return held
    u[i].look = r.look_every
    first, last = (allies, n) if i < allies else (0, allies)
    acquire_range = max(r.unit[i].range, r.acquire_range)
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
    """Whether unit j is alive, hurt and of a kind that can be healed."""
    return r.unit[j].healable and 0.0 < u[j].health < r.unit[j].health_max


@inlined
def heal(r, u, i, j, near):
    """Heal unit j if it is in range, otherwise close in."""
    u[i].target = j
    reach = r.unit[i].heal_range + r.unit[i].radius + r.unit[j].radius
    if distance_between(u, i, j) > reach + ARRIVED:
        go(r, u, i, u[j].x, u[j].y, reach, near)
        return
    u[i].pace = 0.0
    given = min(r.unit[i].heal_rate, r.unit[j].health_max - u[j].health, u[i].energy / r.unit[i].heal_cost)
    u[j].health += given
    u[i].energy -= given * r.unit[i].heal_cost


@inlined
def find_patient(r, u, i):
    """Whom a healer without a patient heals by itself: the one it is at, else the nearest hurt comrade; -1 nobody."""
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


# --- one game loop ---------------------------------------------------------------------------------------------------


@inlined
def recover(r, u, i):
    """What time alone does to a living unit."""
    if u[i].cooldown > 0.0:
        u[i].cooldown -= 1.0
    if u[i].backswing > 0.0:
        u[i].backswing -= 1.0
    if u[i].health < r.unit[i].health_max and r.unit[i].health_regeneration > 0.0:
        u[i].health = min(u[i].health + r.unit[i].health_regeneration, r.unit[i].health_max)
    if u[i].unharmed >= r.unit[i].shield_delay and u[i].shield < r.unit[i].shield_max:
        u[i].shield = min(u[i].shield + r.unit[i].shield_regeneration, r.unit[i].shield_max)
    u[i].unharmed += 1.0
    u[i].energy = min(u[i].energy + r.unit[i].energy_regeneration, r.unit[i].energy_max)


@inlined
def march(r, u, i, near):
    """Move a unit to where it was ordered. Who is stopped by a comrade that has arrived has arrived as well."""
    if u[i].arrived:
        return
    hemmed_in = u[i].patience > 0  # it stands still, but not because it is there
    go(r, u, i, u[i].order_x, u[i].order_y, 0.0, near)
    if hemmed_in:
        return
    if u[i].waiting:
        count = neighbours(r, u, i, r.unit[i].speed, near)
        for k in range(count):
            j = near[k]
            if (
                u[j].arrived
                and (j < r.n_allies) == (i < r.n_allies)
                and distance_between(u, i, j) <= (r.unit[i].separation + r.unit[j].separation + r.unit[i].speed)
            ):
                u[i].arrived, u[i].waiting = True, False
    elif u[i].pace == 0.0:
        u[i].arrived = True


@inlined
def act(r, u, i, random, near):
    """One loop of living unit i under its order."""
    if in_windup(r, u, i):
        return
    order = u[i].order
    if order == MOVE:
        go(r, u, i, u[i].order_x, u[i].order_y, 0.0, near)
    elif order == ATTACK:
        if u[u[i].target].health > 0.0:
            engage(r, u, i, u[i].target, random, near)
        else:
            u[i].order = IDLE
    elif order == HEAL:
        if needs_healing(r, u, u[i].target) and u[i].energy > 0.0:
            heal(r, u, i, u[i].target, near)
        else:
            u[i].pace = 0.0
    elif order >= ATTACK_MOVE:
        other = find_patient(r, u, i) if r.unit[i].heals else acquire(r, u, i)
        if other >= 0:
            u[i].arrived = False
            if r.unit[i].heals:
                heal(r, u, i, other, near)
            else:
                engage(r, u, i, other, random, near)
        else:
            u[i].target = -1
            march(r, u, i, near)
    else:
        u[i].pace = 0.0


@compiled
def play_loop(r, u, turn, random, near):
    """Advance one battle's units (N,) by one game loop."""
    n = r.unit.shape[0]
    shuffle(turn, random)
    for k in range(n):
        i = turn[k]
        u[i].waiting = False
        land_blow(r, u, i)
        if u[i].health > 0.0:
            recover(r, u, i)
            act(r, u, i, random, near)
            # A weapon that idles is ready, not ahead of time; one that keeps firing keeps its fraction of a loop.
            if u[i].cooldown < 0.0:
                u[i].cooldown = 0.0
    for k in range(n):
        i = turn[k]
        if u[i].waiting and u[i].health > 0.0 and not walk(r, u, i, near, True):
            u[i].patience = r.patience


# --- one timestep ----------------------------------------------------------------------------------------------------


@compiled
def begin(r, s, b, seed):
    """Set battle b up anew."""
    s.random[b, 0] = np.uint64(seed) * np.uint64(0xD1342543DE82EF95) + np.uint64(0x632BE59BD9B4E019)
    s.step[b] = 0
    u = s.units[b]
    for i in range(r.unit.shape[0]):
        u[i].x, u[i].y = r.unit[i].spawn_x, r.unit[i].spawn_y
        u[i].health, u[i].shield = r.unit[i].health_max, r.unit[i].shield_max
        u[i].energy, u[i].cooldown, u[i].pace = r.unit[i].energy_start, 0.0, 0.0
        u[i].order = IDLE if i < r.n_allies else ATTACK_MOVE if r.attack_move else GUARD
        u[i].order_x, u[i].order_y = r.unit[i].goal_x, r.unit[i].goal_y
        u[i].target, u[i].offender, u[i].blow_target = -1, -1, -1
        u[i].windup, u[i].backswing, u[i].blow, u[i].blows_left = 0.0, 0.0, 0.0, 0
        u[i].look, u[i].patience = i % r.look_every, 0
        u[i].waiting, u[i].arrived, u[i].bursting = False, False, False
        u[i].unharmed = r.unit[i].shield_delay
        u[i].side, u[i].detour = 1.0 if i % 2 == 0 else -1.0, 0
        s.turn[b, i] = i
        s.counted[b, i] = False
    s.last_actions[b, :] = -1


@inlined
def give_order(r, u, i, action, move_amount):
    """Turn agent i's action into its unit's order. What the game would refuse leaves the old order in force."""
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


@compiled
def pack(u, snapshot):
    """Copy units (N,) into a snapshot (N, 6)."""
    for i in range(snapshot.shape[0]):
        snapshot[i, X], snapshot[i, Y] = u[i].x, u[i].y
        snapshot[i, HEALTH], snapshot[i, SHIELD] = u[i].health, u[i].shield
        snapshot[i, ENERGY], snapshot[i, COOLDOWN] = u[i].energy, u[i].cooldown


@compiled
def settle(r, o, before, after, counted, step):
    """SMAC's reward and end of episode for one timestep. Returns (scaled reward, how it ended).

    before, after: snapshots (N, 6); counted (N,): deaths paid for earlier, updated; step: timesteps played, with
    this one.
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


# --- what the agents see ---------------------------------------------------------------------------------------------


@inlined
def write_availability(r, o, walkable, units, avail):
    """Available actions (A, U) at a snapshot (N, 6)."""
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
    """Health, and shield where the side has any, as fractions. Returns the next free place."""
    out[at] = units[i, HEALTH] / r.unit[i].health_max
    at += 1
    if shields:
        out[at] = units[i, SHIELD] / r.unit[i].shield_max if r.unit[i].shield_max > 0.0 else 0.0
        at += 1
    return at


@inlined
def write_other(r, o, units, i, j, first, shields, types, obs, at):
    """Unit j as agent i sees it, with `first` as first feature; nothing beyond sight. Returns whether it is seen."""
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
    """Observation (O,) of agent i."""
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
    """Walkability (8) and height (9) of points around (x, y); outside the map both read 1. Returns the next place."""
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
    """Global state (S,). size: extent of the map, by which positions are centred and divided."""
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
    """All that the agents see at one snapshot (N, 6): obs (A, O), state (S,), avail (A, U)."""
    write_availability(r, o, walkable, units, avail)
    for i in range(r.n_allies):
        write_observation(r, o, walkable, terrain_height, units, last_actions, step, avail, i, obs[i])
    write_state(r, o, walkable.shape[0], units, last_actions, step, avail.shape[1], obs, state)


@compiled
def observe_many(r, o, terrain_height, snapshots, last_actions, steps, obs, state, avail):
    """`observe` at M snapshots (M, N, 6)."""
    for m in range(snapshots.shape[0]):
        observe(r, o, r.walkable, terrain_height, snapshots[m], last_actions[m], steps[m], obs[m], state[m], avail[m])


# --- E battles -------------------------------------------------------------------------------------------------------


@compiled
def reset_battles(r, o, terrain_height, s, seeds, chosen, snapshots, obs, state, avail):
    """Begin the chosen battles anew."""
    for b in range(seeds.shape[0]):
        if chosen[b]:
            begin(r, s, b, seeds[b])
            pack(s.units[b], snapshots[b])
            observe(r, o, r.walkable, terrain_height, snapshots[b], s.last_actions[b], 0, obs[b], state[b], avail[b])


@inlined
def play_timestep(r, o, terrain_height, s, b, before, snapshots, obs, state, avail):
    """Play one timestep of battle b under the orders given. Returns (scaled reward, how it ended)."""
    pack(s.units[b], before)
    for _ in range(LOOPS_PER_STEP):
        play_loop(r, s.units[b], s.turn[b], s.random[b], s.near)
    s.step[b] += 1
    pack(s.units[b], snapshots[b])
    reward, end = settle(r, o, before, snapshots[b], s.counted[b], s.step[b])
    observe(r, o, r.walkable, terrain_height, snapshots[b], s.last_actions[b], s.step[b], obs[b], state[b], avail[b])
    return reward, end


@compiled
def step_battles(r, o, terrain_height, s, actions, active, before, snapshots, obs, state, avail, reward, end):
    """Play one timestep of every active battle. Returns -1, or b * A + i of the first action that was not available."""
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
def script(r, u, last_actions):
    """Order agents as SMAC's `heuristic_ai` does: each attacks the enemy that was nearest when its last target died.

    Distance does not matter; healers stay with a hurt comrade until it is well. last_actions (A,) receives the actions
    that say the same.
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


@inlined
def may_aim_at(r, u, i, j):
    """Whether an order of unit i to heal or attack unit j makes sense."""
    return needs_healing(r, u, j) if r.unit[i].heals else u[j].health > 0.0 and can_hit(r, i, j)


@compiled
def step_scripted(r, o, terrain_height, s, active, before, snapshots, obs, state, avail, reward, end):
    """Play one timestep of every active battle with the agents under SMAC's scripted policy."""
    for b in range(active.shape[0]):
        reward[b], end[b] = 0.0, GOES_ON
        if active[b]:
            script(r, s.units[b], s.last_actions[b])
            reward[b], end[b] = play_timestep(r, o, terrain_height, s, b, before, snapshots, obs, state, avail)


@compiled
def random_available(avail, random, actions):
    """One uniformly random available action per agent: avail (E, A, U) to actions (E, A); 0 where none is available."""
    for b in range(avail.shape[0]):
        for i in range(avail.shape[1]):
            count = 0
            for u in range(avail.shape[2]):
                count += avail[b, i, u]
            left = int(uniform(random) * count)
            actions[b, i] = 0
            for u in range(avail.shape[2]):
                if avail[b, i, u]:
                    if left == 0:
                        actions[b, i] = u
                        break
                    left -= 1
