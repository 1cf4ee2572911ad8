"""Versions of the algorithms' behaviour.

The version of a run's algorithm is part of the run's identity. Raise the version of exactly those algorithms whose
results change; runs of all others stay valid. Code may change freely as long as results do not.

An algorithm that is not listed is a user's own, which no fingerprint guards: its version is made of its source.
"""

import ast
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from roma.support.files import digest

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

SHOWN = 7  # hexadecimal digits of a digest in a version


def version_of(name: str, folder: Path) -> int:
    """Return the version of an algorithm whose family lies in `folder`.

    Without a number in ALGORITHM_VERSIONS it is one made of the family's modules. It changes with every change of their
    code, whether or not results change, and not with comments or layout; shared code is not looked at.

    Raises:
        SyntaxError: A module is not Python.
    """
    if name in ALGORITHM_VERSIONS:
        return ALGORITHM_VERSIONS[name]
    sources = {file.name: ast.unparse(ast.parse(file.read_bytes())) for file in sorted(folder.glob("*.py"))}
    return int(digest(repr(sources).encode())[:SHOWN], 16)
