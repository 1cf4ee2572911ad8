"""Version numbers of the engine, one for each map. Importing this module loads no compiled code.

A version identifies the behaviour of battles on a map. A person raises it when the behaviour changes.
`tests/golden/trajectories.json` holds digests of recorded trajectories for each map, and a test fails if they change
under the same version. A change that leaves all trajectories as they are (a docstring, a moved file, a faster loop,
another map) leaves the version as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from roma.scenarios import load_map, load_units
from roma.scenarios.facts import stated
from roma.support.files import digest

VERSIONS: Mapping[str, int] = MappingProxyType(
    {
        "10m_vs_11m": 1,
        "10z5b_vs_2s3z": 1,
        "1c3s5z": 1,
        "25m": 1,
        "27m_vs_30m": 1,
        "2c_vs_64zg": 1,
        "2m_vs_1z": 1,
        "2s3z": 1,
        "2s_vs_1sc": 1,
        "3m": 1,
        "3s5z": 1,
        "3s5z_vs_3s6z": 1,
        "3s_vs_3z": 1,
        "3s_vs_4z": 1,
        "3s_vs_5z": 1,
        "5m_vs_6m": 1,
        "6h_vs_8z": 1,
        "6s4z_vs_10b30z": 1,
        "6z4b": 1,
        "8m": 1,
        "8m_vs_9m": 1,
        "MMM": 1,
        "MMM2": 1,
        "bane_vs_bane": 1,
        "corridor": 1,
        "so_many_baneling": 1,
    }
)

SHOWN = 8  # characters of a digest in a version

# Versions of earlier states of the engine, by the first characters of the source digest that these recorded instead.
OF_SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "cc608650": "0",
        # States between the last change of the rules and the introduction of versions. Their trajectories agree with
        # those of version 1.
        "648f647f": "1",
        "4ea3a641": "1",
        "272e5c1b": "1",
        "41fee486": "1",
        "1f3b171f": "1",
    }
)


def version_of(map_name: str) -> str:
    """Return the engine version of a map, by canonical name.

    For a map of VERSIONS this is its number, as text. Any other map is a user's own file without recorded trajectories.
    Its version is the highest number in VERSIONS and a digest, as in `1+9f86d081`. The digest covers the facts in the
    map's file and in its units' files, and the versions of VERSIONS above 1. It therefore changes whenever the map's
    facts change, and whenever the rules change on some map of VERSIONS.

    Raises:
        UserError: The map's file is wrong.
    """
    if map_name in VERSIONS:
        return str(VERSIONS[map_name])
    scenario, units = load_map(map_name), load_units()
    facts = {
        "map": stated(scenario),
        "units": {name: stated(units[name]) for name in sorted(set(scenario.unit_types))},
        "raised": {name: number for name, number in VERSIONS.items() if number > 1},
    }
    return f"{max(VERSIONS.values())}+{digest(json.dumps(facts, sort_keys=True).encode())[:SHOWN]}"


def version_of_source(source_digest: str) -> str:
    """Return the engine version for a source digest that an earlier revision recorded without a version.

    For an unknown state of the engine it is the beginning of the digest, so that it equals no other version.
    """
    shown = source_digest[:SHOWN]
    return OF_SOURCES.get(shown, shown)
