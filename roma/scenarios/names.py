"""Canonical names and aliases of maps."""

from __future__ import annotations

from functools import cache

from roma.scenarios.reading import ROOT, load_map
from roma.support.errors import UserError, unknown


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(file.stem for file in (ROOT / "maps").glob("*.json")))


@cache
def _canonical() -> dict[str, str]:
    """Return the canonical name for each name and alias."""
    names = _names()
    canonical = {name: name for name in names}
    for name in names:
        for alias in load_map(name).aliases:
            if alias in canonical:
                raise UserError(f"{name}.json: aliases: {alias!r} already names the map {canonical[alias]}")
            canonical[alias] = name
    return canonical


def map_names() -> list[str]:
    """Return the canonical names of all maps, sorted."""
    return list(_names())


def canonical_map(name: str) -> str:
    """Return the canonical name of a map.

    Args:
        name: Canonical name or alias.

    Raises:
        UserError: No map has that name; the message suggests the nearest and lists all.
    """
    if name in _names():  # only aliases need the contents of all files
        return name
    if name not in _canonical():
        raise unknown("map", name, map_names())
    return _canonical()[name]
