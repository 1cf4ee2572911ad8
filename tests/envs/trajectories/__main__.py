"""Command line of the recorded trajectories; see the package."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import tests.envs.trajectories as package
from roma.scenarios import map_names
from roma.support.errors import UserError
from tests.envs.trajectories import golden


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 where all is as it should be, 1 where something is refused, 2 on wrong input."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.envs.trajectories",
        description=package.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="compare all maps with what is recorded")
    commands.add_parser("write", help="record maps that are new or whose version was raised")
    recording = commands.add_parser("record", help="keep greedy play of trained runs")
    recording.add_argument("runs", nargs="+", type=Path, help="run folders or policy files, one for each map")
    recording.add_argument("--episodes", type=int, default=8, help="default: 8")
    commands.add_parser("branches", help="show which branches of the kernel no recorded trajectory reaches")
    asked = parser.parse_args(arguments)
    try:
        if asked.command == "branches":
            from tests.envs.trajectories import branches

            return branches.main()
        if asked.command == "check":
            refusals = [wrong for name in map_names() if (wrong := golden.check(name))]
        else:
            newly_trained = []
            if asked.command == "record":
                from tests.envs.trajectories.recorder import record

                for run in asked.runs:
                    map_name, kept = record(run, asked.episodes)
                    newly_trained.append(map_name)
                    print(kept, flush=True)
            changes, refusals = golden.update(newly_trained)
            print("\n".join(changes) or "nothing to record")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for refusal in refusals:
        print(refusal, file=sys.stderr)
    return int(bool(refusals))


if __name__ == "__main__":
    sys.exit(main())
