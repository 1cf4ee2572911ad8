"""Moments of an episode by name: a decision's number, counted from 1, or the type of an agent about to die.

`27` is the moment before the 27th decision; `Zealot` the last moment at which all own Zealots live.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Moment = int | str


def locate(moment: Moment, alive: NDArray[np.bool_], types: Sequence[str]) -> int | None:
    """The index of a moment in an episode; None if it does not come to it.

    alive (L + 1, A) of the agents, before each of L decisions and after the last; types (A,) their names.
    """
    if isinstance(moment, int):
        return moment - 1 if 1 <= moment < len(alive) else None
    death = first_death(alive[:, np.array(types) == moment])
    return None if death is None else death[0]


def first_death(alive: NDArray[np.bool_]) -> tuple[int, int] | None:
    """The last moment before any of the units (L + 1, K) dies, and the number of the one that does, the lowest."""
    dead = np.flatnonzero(~alive.all(1))
    return (int(dead[0]) - 1, int(alive[dead[0]].argmin())) if len(dead) else None


def name(moment: Moment) -> str:
    """As a face says it."""
    return f"t = {moment}" if isinstance(moment, int) else f"before the first {moment} dies"


def required(figures: Iterable[Mapping[str, Any]], map_name: str) -> list[Moment]:
    """All moments of a map that the figures of these specifications show."""
    return list(dict.fromkeys(moment for figure in figures for moment in figure.get("moments", {}).get(map_name, [])))
