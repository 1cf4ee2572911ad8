"""Versions of the algorithms' behaviour.

The version of a run's algorithm is part of the run's identity. Raise the version of exactly those algorithms whose
results change; runs of all others stay valid. Code may change freely as long as results do not.
"""

from collections.abc import Mapping
from types import MappingProxyType

ALGORITHM_VERSIONS: Mapping[str, int] = MappingProxyType(
    {
        "coma": 1,
        "iql": 1,
        "maven": 1,
        "maven_release": 1,
        "qmix": 1,
        "qmix_lar": 1,
        "qmix_nps": 1,
        "qtran": 1,
        "roma": 1,
        "roma_literal": 1,
        "roma_no_dissimilarity": 1,
        "roma_release": 1,
        "roma_release_epsilon_50": 1,
        "roma_release_readme": 1,
        "roma_td": 1,
        "roma_td_ld": 1,
        "roma_td_li": 1,
        "vdn": 1,
    }
)
