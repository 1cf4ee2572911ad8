"""Figure list: the maps and arms of each figure and table.

A scale names figures, tables, or groups of them; the `group` of an entry is its group. The word `further` stands for
the cells (map, arm) of a scale that no other figure of learning curves shows: for their maps as the `maps` of an entry,
for their arms among its `arms`. The arms of a table with `references` are shown there.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from analysis import FIGURES
from roma.support.errors import UserError, unknown
from roma.support.schemas.reading import read_yaml

FURTHER = "further"
CURVES = "curves"
EPISODES = ("battlefield", "episode", "evolution")  # modules of analysis.figures that draw recorded episodes

Entry = Mapping[str, Any]
Cell = tuple[str, str]  # map and arm


def read(listed: Path = FIGURES, planned: Collection[Cell] = ()) -> dict[str, Entry]:
    """Return the entries of a figure list by name, with `further` resolved.

    Args:
        listed: The figure list.
        planned: All cells of a scale. Without a further one among them, entries that ask for those are left out.

    Raises:
        UserError: The list cannot be read.
    """
    entries: dict[str, Entry] = read_yaml(listed)
    drawn = {
        (map_name, arm)
        for entry in entries.values()
        if entry.get("plot") == CURVES and entry.get("maps") != FURTHER
        for map_name in entry.get("maps", [])
        for arm in entry.get("arms", [])
    }
    compared = {
        (map_name, arm)
        for entry in entries.values()
        for arms in entry.get("references", {}).values()
        for map_name in entry["maps"]
        for arm in arms
    }
    further = [cell for cell in planned if cell not in drawn | compared]
    return {
        name: _resolved(entry, planned, further) if entry.get("maps") == FURTHER else entry
        for name, entry in entries.items()
        if further or entry.get("maps") != FURTHER
    }


def _resolved(entry: Entry, planned: Collection[Cell], further: Collection[Cell]) -> Entry:
    """Return an entry with maps and arms in the place of the word, and in `cells` which of their cells there are."""
    maps = list(dict.fromkeys(map_name for map_name, _ in further))
    own = [arm for _, arm in further]
    arms = list(dict.fromkeys(arm for name in entry["arms"] for arm in (own if name == FURTHER else [name])))
    cells = [[map_name, arm] for map_name in maps for arm in arms if (map_name, arm) in planned]
    return {**entry, "maps": maps, "arms": arms, "cells": cells}


def chosen(names: Iterable[str], planned: Collection[Cell] = ()) -> dict[str, Entry]:
    """Return the entries that a scale names, by themselves or by their group, in the order of the list.

    Args:
        names: Names of figures, tables and groups.
        planned: All cells of the scale.

    Raises:
        UserError: There is neither an entry nor a group of a name.
    """
    entries, whole = read(planned=planned), read_yaml(FIGURES)
    groups = {entry["group"] for entry in whole.values() if "group" in entry}
    if both := sorted(groups & whole.keys()):
        raise UserError(f"{FIGURES}: {', '.join(both)}: a group has the name of a figure")
    named = set(names)
    for name in names:
        if name not in whole and name not in groups:
            raise unknown("figure or group of figures", name, [*whole, *sorted(groups)])
    return {name: entry for name, entry in entries.items() if named & {name, entry.get("group")}}


def arms_in_episodes() -> set[str]:
    """Return the arms of which a figure of the list draws recorded episodes; none without a clone."""
    entries = read_yaml(FIGURES).values() if FIGURES.exists() else []
    return {arm for entry in entries if entry.get("plot") in EPISODES for arm in entry["arms"]}
