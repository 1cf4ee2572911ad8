"""Distances, terrain, and paths around it."""

from __future__ import annotations

import numpy as np

from roma.envs.skirmish.kernel.compiler import allocating, compiled, inlined


@inlined
def distance_between(u, i, j):
    """Return the distance between two units, centre to centre."""
    dx, dy = u[j].x - u[i].x, u[j].y - u[i].y
    return np.sqrt(dx * dx + dy * dy)


@inlined
def is_walkable(walkable, x, y):
    """Return whether a point is on walkable ground; points outside the map are not."""
    return 0.0 <= x < walkable.shape[1] and 0.0 <= y < walkable.shape[0] and walkable[int(y), int(x)]


@inlined
def may_step(r, i, x, y, to_x, to_y):
    """Return whether terrain lets unit i step from (x, y) to (to_x, to_y).

    A step cannot pass between two blocked cells that touch at a corner.
    """
    passable = r.passable[r.unit[i].motion]
    return is_walkable(passable, to_x, to_y) and (is_walkable(passable, x, to_y) or is_walkable(passable, to_x, y))


@compiled
def sees_cell(walkable, start, end):
    """Return whether the straight line between the centres of two cells is walkable."""
    width = walkable.shape[1]
    x, y = start % width + 0.5, start // width + 0.5
    to_x, to_y = end % width + 0.5, end // width + 0.5
    pieces = 8 * (abs(int(to_x) - int(x)) + abs(int(to_y) - int(y)))
    for k in range(1, pieces):
        px, py = x + (to_x - x) * k / pieces, y + (to_y - y) * k / pieces
        if not is_walkable(walkable, px, py):
            return False
    return True


@allocating
def waypoints(walkable, region):
    """Return the cell to walk to first, for each pair of a start cell and an end cell of `region`.

    It is the farthest cell on a shortest path that a straight walkable line connects with the start. `region` has the
    (32, 32) cells connected on foot. The table is (cells, cells) int16; -1 if there is no path.
    """
    height, width = walkable.shape
    cells = height * width
    beside = np.full((cells, 9), -1, np.int64)  # the cells that one step leads to, then -1
    length = np.zeros((cells, 9))  # of those steps
    for cell in range(cells):
        if not region[cell // width, cell % width]:
            continue
        cx, cy = cell % width, cell // width
        steps = 0
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                nx, ny = cx + dx, cy + dy
                if (dx == 0 and dy == 0) or not (0 <= nx < width and 0 <= ny < height) or not region[ny, nx]:
                    continue
                if dx != 0 and dy != 0 and not (region[cy, nx] and region[ny, cx]):
                    continue
                beside[cell, steps] = ny * width + nx
                length[cell, steps] = 1.4142135623730951 if dx != 0 and dy != 0 else 1.0
                steps += 1
    sight = np.full((cells, cells), -1, np.int8)  # whether one cell sees another; -1: not asked yet
    table = np.full((cells, cells), -1, np.int16)
    for end in range(cells):
        if not region[end // width, end % width]:
            continue
        # Relaxation is fast enough: regions are small, and this runs once per map.
        distance = np.full(cells, np.inf)
        following = np.full(cells, -1, np.int64)
        distance[end] = 0.0
        following[end] = end
        changed = True
        while changed:
            changed = False
            for cell in range(cells):
                step = 0
                while beside[cell, step] >= 0:
                    by_step = distance[beside[cell, step]] + length[cell, step]
                    if by_step < distance[cell] - 1e-9:
                        distance[cell] = by_step
                        following[cell] = beside[cell, step]
                        changed = True
                    step += 1
        for cell in range(cells):
            if following[cell] < 0:
                continue
            ahead, nearest = cell, cell
            while ahead != end:
                ahead = following[ahead]
                if sight[cell, ahead] < 0:
                    sight[cell, ahead] = sees_cell(walkable, cell, ahead)
                if nearest == cell or sight[cell, ahead] == 1:
                    nearest = ahead
            table[cell, end] = nearest
    return table
