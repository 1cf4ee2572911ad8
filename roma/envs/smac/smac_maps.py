"""SMAC's registry of maps, with all maps of this project under their names and aliases."""

from __future__ import annotations

from typing import Any

from roma.envs.starcraft2.names import map_params
from roma.scenarios import canonical_map, load_map, map_names


def get_smac_map_registry() -> dict[str, dict[str, Any]]:
    """Return the facts of every map by name and alias; see `get_map_params`."""
    scenarios = [load_map(name) for name in map_names()]
    return {name: map_params(scenario) for scenario in scenarios for name in (scenario.name, *scenario.aliases)}


def get_map_params(map_name: str) -> dict[str, Any]:
    """Return n_agents, n_enemies, limit (timesteps), a_race, b_race, unit_type_bits and map_type of a map.

    Raises:
        UserError: No map has that name or alias.
    """
    return map_params(load_map(canonical_map(map_name)))
