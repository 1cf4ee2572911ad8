"""Named moments of an episode: the number of a decision, counted from 1, or a unit type.

`27` is the moment before the 27th decision. `Zealot` is the last moment at which all allied Zealots are alive.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Moment = int | str


def locate(moment: Moment, alive: NDArray[np.bool_], types: Sequence[str]) -> int | None:
    """Return the index of a moment in an episode, or None if the episode does not reach it.

    Args:
        moment: Number of a decision, or a unit type.
        alive: Living agents (L + 1, A), before each of L decisions and after the last one.
        types: Unit type of each agent (A,).
    """
    if isinstance(moment, int):
        return moment - 1 if 1 <= moment < len(alive) else None
    death = first_death(alive[:, np.array(types) == moment])
    return None if death is None else death[0]


def first_death(alive: NDArray[np.bool_]) -> tuple[int, int] | None:
    """Return the last moment before the first death and the number of the unit that dies; None without a death.

    If several units die at once, the lowest number counts.

    Args:
        alive: Living units (L + 1, K).
    """
    dead = np.flatnonzero(~alive.all(1))
    return (int(dead[0]) - 1, int(alive[dead[0]].argmin())) if len(dead) else None


def name(moment: Moment) -> str:
    """Return the name of a moment in captions."""
    return f"t = {moment}" if isinstance(moment, int) else f"before the first {moment} dies"


def required(figures: Iterable[Mapping[str, Any]], map_name: str) -> list[Moment]:
    """Return all moments of a map that the given figure specifications show."""
    return list(dict.fromkeys(moment for figure in figures for moment in figure.get("moments", {}).get(map_name, [])))
