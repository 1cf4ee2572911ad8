"""The current state of a battle as a picture, or as text for a terminal."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from roma.envs.skirmish.recordings.battle import Battle
from roma.scenarios import load_map
from roma.scenarios.rows import HEALTH, SHIELD, X, Y
from roma.support.errors import unknown
from roma.support.pictures import import_matplotlib

RENDER_MODES = ("ansi", "human", "rgb_array")
CLEAR = "\033[H\033[J"  # the terminal


def shown(battle: Battle, mode: str, player: str) -> NDArray[np.uint8] | str | None:
    """Show the current state of a battle.

    Args:
        battle: A battle that has begun.
        mode: `human` prints text, `ansi` returns the text, `rgb_array` returns a picture.
        player: Name of the policy, for the picture's title.

    Returns:
        None, the text, or the picture (height, width, 3).

    Raises:
        UserError: There is no such mode, or the battle has not begun.
    """
    if mode not in RENDER_MODES:
        raise unknown("render mode", mode, RENDER_MODES)
    battle.require_begun()
    if mode == "rgb_array":
        import_matplotlib()

        from roma.envs.skirmish.recordings.drawing import picture

        return picture(battle.recording(player), -1)
    if mode == "ansi":
        return text(battle)
    print(CLEAR * sys.stdout.isatty() + text(battle), flush=True)
    return None


def text(battle: Battle) -> str:
    """Return a battle as text, one letter a cell: agents are capital letters, enemies small ones, `#` is blocked."""
    import_matplotlib()

    from roma.envs.skirmish.recordings.drawing import letter_of

    units, n_agents = battle.snapshots[0], battle.info.n_agents
    rows = [list(row) for row in reversed(load_map(battle.info.map_name).terrain)]
    for slot, (name, unit) in enumerate(zip(battle.unit_types, units, strict=True)):
        if unit[HEALTH] > 0:
            letter = letter_of(name)
            rows[int(unit[Y])][int(unit[X])] = letter if slot < n_agents else letter.lower()
    sides = [
        f"{name}: {np.count_nonzero(side[:, HEALTH] > 0)} of {len(side)}, {side[:, [HEALTH, SHIELD]].sum():.0f} points"
        for name, side in (("agents", units[:n_agents]), ("enemies", units[n_agents:]))
    ]
    title = f"{battle.info.map_name}, timestep {battle.steps} of {battle.info.episode_limit}: {battle.result}"
    return "\n".join([title, *sides, *(" ".join(row) for row in reversed(rows) if set(row) != {"#"})])
