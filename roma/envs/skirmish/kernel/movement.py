"""Rules of battle: movement, detours around obstacles, and arrival."""

from __future__ import annotations

import numpy as np

from roma.envs.skirmish.kernel.compiler import compiled, inlined
from roma.envs.skirmish.kernel.geometry import is_walkable, may_step
from roma.envs.skirmish.kernel.layout import ATTACK_MOVE, GUARD, WALKS

ARRIVED = 1e-6

# Turns around an obstacle, as angles from the straight path: 0, 30, 60, 90, 120 degrees (cosine, sine).
TURN_COS = (1.0, 0.8660254037844387, 0.5, 0.0, -0.5)
TURN_SIN = (0.0, 0.5, 0.8660254037844386, 1.0, 0.8660254037844387)
SLIDE_TURN = 2  # widest turn along a wall; wider turns, which gain no ground, are for units only


@inlined
def stand(r, u, i, places):
    """Enter the position of unit i, or infinity if it is dead."""
    plane = int(r.unit[i].motion != WALKS)
    places.x[plane, i] = u[i].x if u[i].health > 0.0 else np.inf
    places.x[1 - plane, i], places.y[i] = np.inf, u[i].y


@inlined
def leave(r, i, places):
    """Remove the position of unit i, which has died and blocks nobody."""
    places.x[int(r.unit[i].motion != WALKS), i] = np.inf


@inlined
def is_free(r, u, i, x, y, places):
    """Return whether unit i could stand at (x, y): it overlaps no unit, except those that it moves away from."""
    plane, was_x, was_y, collides = int(r.unit[i].motion != WALKS), u[i].x, u[i].y, False
    # Without branches, for vector instructions: this is the engine's busiest loop. Unit i never collides with itself.
    for j in range(r.separation.shape[0]):
        dx, dy = places.x[plane, j] - x, places.y[j] - y
        ex, ey = places.x[plane, j] - was_x, places.y[j] - was_y
        reach, square = r.separation[i] + r.separation[j], dx * dx + dy * dy
        collides |= (square < reach * reach) & (square < ex * ex + ey * ey)
    return not collides


@compiled
def walk(r, u, i, places, around):
    """Move unit i one loop towards its destination; return False if it was blocked.

    With `around` the unit turns to pass an obstacle. It keeps its side of the obstacle, and turns back by at most 30
    degrees a loop. Without this memory it would leave a gap that is too narrow and walk into it again.
    """
    x, y = u[i].x, u[i].y
    to_x, to_y, gap = u[i].way_x, u[i].way_y, u[i].gap
    if r.unit[i].motion == WALKS and r.waypoint.shape[0] > 1:
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

    to_x, to_y = x + ux * stride, y + uy * stride
    free = may_step(r, i, x, y, to_x, to_y)
    if not around:
        if u[i].detour > 1 or not free or not is_free(r, u, i, to_x, to_y, places):
            return False
        u[i].x, u[i].y, u[i].pace, u[i].detour = to_x, to_y, pace, 0
        stand(r, u, i, places)
        return True
    widest = len(TURN_COS) - 1 if free else SLIDE_TURN
    least = max(u[i].detour - 1, 1)
    for _ in range(2):
        for turn in range(least, widest + 1):
            to_x = x + stride * (ux * TURN_COS[turn] - u[i].side * uy * TURN_SIN[turn])
            to_y = y + stride * (u[i].side * ux * TURN_SIN[turn] + uy * TURN_COS[turn])
            if may_step(r, i, x, y, to_x, to_y) and is_free(r, u, i, to_x, to_y, places):
                u[i].x, u[i].y, u[i].pace, u[i].detour = to_x, to_y, pace, turn
                stand(r, u, i, places)
                return True
        u[i].side, least = -u[i].side, 1
    u[i].pace, u[i].detour = 0.0, 0
    return False


@inlined
def go(r, u, i, x, y, gap, places):
    """Move unit i straight towards a point, and stop at distance `gap` from it.

    A blocked unit is marked as waiting. At the end of the loop it tries to pass the obstacle.
    """
    if u[i].backswing > 0.0 and u[u[i].blow_target].health > 0.0:
        return
    if u[i].patience > 0:
        u[i].patience -= 1
        return
    u[i].way_x, u[i].way_y, u[i].gap = x, y, gap
    u[i].waiting = not walk(r, u, i, places, False)


@inlined
def march(r, u, i, places):
    """Move a unit towards the goal of its order.

    A unit that is blocked by an arrived comrade counts as arrived, too. A unit that arrives at the end of its
    attack-move becomes a guard there.
    """
    if u[i].arrived:
        return
    hemmed_in = u[i].patience > 0  # standing still does not mean that it has arrived
    go(r, u, i, u[i].order_x, u[i].order_y, 0.0, places)
    if hemmed_in:
        return
    if u[i].waiting:
        plane = int(r.unit[i].motion != WALKS)
        for j in range(r.n_allies, r.unit.shape[0]):  # only enemies march
            dx, dy = places.x[plane, j] - u[i].x, places.y[j] - u[i].y
            reach = r.separation[i] + r.separation[j] + r.unit[i].speed
            if u[j].arrived and np.sqrt(dx * dx + dy * dy) <= reach:
                u[i].arrived, u[i].waiting = True, False
    elif u[i].pace == 0.0:
        u[i].arrived = True
    if u[i].arrived and u[i].order == ATTACK_MOVE:
        u[i].order, u[i].order_x, u[i].order_y = GUARD, u[i].x, u[i].y
