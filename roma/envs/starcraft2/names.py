"""SMAC's and the game's names for maps and units: types of maps, races, numbers of unit types."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from roma.scenarios import Map, load_units

# Race and game's number of each unit type.
UNITS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "Baneling": ("Z", 9),
        "Colossus": ("P", 4),
        "Hydralisk": ("Z", 107),
        "Marauder": ("T", 51),
        "Marine": ("T", 48),
        "Medivac": ("T", 54),
        "SpineCrawler": ("Z", 98),
        "Stalker": ("P", 74),
        "Zealot": ("P", 73),
        "Zergling": ("Z", 105),
    }
)
OWN_UNITS = 10_000  # first number for unit types that are not the game's
# A map defines its own unit types for agents, with consecutive numbers in the order of the types. The first number
# depends on the map and on the version of the game.
FIRST_AGENT_TYPE = 2000

# SMAC's types of maps, by the agents' unit types.
MAP_TYPES: Mapping[tuple[str, ...], str] = MappingProxyType(
    {
        ("Baneling", "Zergling"): "bane",
        ("Colossus",): "colossus",
        ("Colossus", "Stalker", "Zealot"): "colossi_stalkers_zealots",
        ("Hydralisk",): "hydralisks",
        ("Marauder", "Marine", "Medivac"): "MMM",
        ("Marine",): "marines",
        ("Stalker",): "stalkers",
        ("Stalker", "Zealot"): "stalkers_and_zealots",
        ("Zealot",): "zealots",
    }
)
# Types of the maps of ROMA's authors, as in their fork of SMAC.
AUTHORS_MAP_TYPES: Mapping[str, str] = MappingProxyType(
    {"6z4b": "bane", "10z5b_vs_2s3z": "bane_vs_sz", "6s4z_vs_10b30z": "stalkers_and_zealots_vs_zb"}
)


def map_type(scenario: Map) -> str:
    """Return SMAC's type of a map; for a user's map with other agents, the joined names of their types."""
    types = tuple(scenario.ally_types)
    return AUTHORS_MAP_TYPES.get(scenario.name) or MAP_TYPES.get(types) or "_".join(types).lower()


def unit_number(name: str) -> int:
    """Return the game's number of a unit type; for a user's type, a number from OWN_UNITS on."""
    return UNITS[name][1] if name in UNITS else OWN_UNITS + sorted(load_units()).index(name)


def race(types: list[str]) -> str:
    """Return the race (T, P or Z) of a side's first type. A user's own type is P with shields, otherwise T."""
    own = "P" if load_units()[types[0]].shield else "T"
    return UNITS[types[0]][0] if types[0] in UNITS else own


def map_params(scenario: Map) -> dict[str, Any]:
    """Return a map's entry in SMAC's registry of maps."""
    return {
        "n_agents": scenario.n_allies,
        "n_enemies": scenario.n_enemies,
        "limit": scenario.episode_limit,
        "a_race": race(scenario.ally_types),
        "b_race": race(scenario.enemy_types),
        "unit_type_bits": len(scenario.ally_types) if len(scenario.ally_types) > 1 else 0,
        "map_type": map_type(scenario),
    }
