"""Command line of the fingerprints; see the package."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import tests.learners.fingerprints as package
from roma.learners import algorithm_names
from roma.support.errors import unknown
from tests.learners.fingerprints import golden


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 where all is as it should be, 1 where something is refused, 2 on wrong input."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.learners.fingerprints",
        description=package.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=["check", "write"])
    parser.add_argument("algorithms", nargs="*", metavar="ALGORITHM", help="default: all")
    asked = parser.parse_args(arguments)
    for name in asked.algorithms:
        if name not in algorithm_names():
            print(f"error: {unknown('algorithm', name, algorithm_names())}", file=sys.stderr)
            return 2
    refused = False
    for name in asked.algorithms or algorithm_names():
        said, refusal = golden.update(name) if asked.command == "write" else golden.check(name)[::-1]
        refused |= refusal is not None
        for words, stream in ((said, sys.stdout), (refusal, sys.stderr)):
            if words:
                print(words, file=stream, flush=True)
    return int(refused)


if __name__ == "__main__":
    sys.exit(main())
