"""Facts that all engines share: maps, units, their names, and the layout of observations and actions.

A map is one file in `maps/`, a unit type one file in `units/`. Both are checked when they are read.
"""

from roma.scenarios.facts import SIZE, Group, Heal, Map, Unit, Weapon
from roma.scenarios.names import canonical_map, map_names
from roma.scenarios.reading import load_map, load_units

__all__ = [
    "SIZE",
    "Group",
    "Heal",
    "Map",
    "Unit",
    "Weapon",
    "canonical_map",
    "load_map",
    "load_units",
    "map_names",
]
