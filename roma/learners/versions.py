"""Versions of the algorithms' behaviour.

A run carries the version of its algorithm in its identity. Raise the version of exactly those algorithms whose results
change: runs of the other algorithms stay valid. Code may change freely under a version.
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
