"""Random and scripted play under every setting of the engine's choices, one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from roma.envs.skirmish.options import DEFAULT_CHOICES, Choices
from roma.recordings.calibrate.comparison import Comparison, compare
from roma.recordings.calibrate.play import play

# A setting below and one above the chosen one; `roma calibrate --sensitivity` plays under each.
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
    """Return every choice at its alternatives, one at a time, by "name = value"; the first is the default."""
    settings = {"as chosen": DEFAULT_CHOICES}
    for name, values in ALTERNATIVES.items():
        for value in values:
            settings[f"{name} = {str(value).lower()}"] = replace(DEFAULT_CHOICES, **{name: value})
    return settings


def sensitivity(maps: Sequence[str], count: int) -> dict[str, list[Comparison]]:
    """Play `count` random and `count` scripted battles a map under each of the `variants`; one row per map."""
    return {label: [compare(play(name, count, 0, choices)) for name in maps] for label, choices in variants().items()}
