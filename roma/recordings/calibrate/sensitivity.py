"""Sensitivity of random and scripted play to the engine's settings, one setting at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from roma.envs.skirmish.options import DEFAULT_CHOICES, Choices
from roma.recordings.calibrate.comparison import Comparison, compare
from roma.recordings.calibrate.play import play

# For each setting, a value below and a value above the default; `roma calibrate --sensitivity` plays under each.
ALTERNATIVES: Mapping[str, tuple[Any, ...]] = {
    "acquire_range": (4.0, 7.0),
    "notice_range": (5.0, 11.0),
    "look_every": (3, 12),
    "reaction": (1, 6),
    "prefer_attackers": (True,),
    "splash_edge": (0.0, 1.0),
    "backswing": (0.5, 1.0),
    "formation_gap": (0.0, 0.25),
    "formation_breadth": (1.0, 4.5),
    "keep_formation": (False,),
    "patience": (4, 8),
}


def variants() -> dict[str, Choices]:
    """Return the engine settings with one alternative value each, by "name = value"; the first item is the default."""
    settings = {"as chosen": DEFAULT_CHOICES}
    for name, values in ALTERNATIVES.items():
        for value in values:
            settings[f"{name} = {str(value).lower()}"] = replace(DEFAULT_CHOICES, **{name: value})
    return settings


def sensitivity(maps: Sequence[str], count: int) -> dict[str, list[Comparison]]:
    """Play under each of the `variants`.

    Args:
        maps: Canonical names of maps.
        count: Random episodes per map, and as many scripted ones.

    Returns:
        Comparisons, one per map, by variant.
    """
    return {label: [compare(play(name, count, 0, choices)) for name in maps] for label, choices in variants().items()}
