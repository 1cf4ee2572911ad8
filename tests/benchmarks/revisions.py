"""Whole runs of several revisions in turns: how many times as fast the last one is.

    git worktree add ../before REVISION
    python -m tests.benchmarks.revisions ../before .
    python -m tests.benchmarks.revisions ../before . --cells 2s3z/qmix 27m_vs_30m/roma --steps 200000

Each folder is a clone or worktree of this project. A run is `roma train` in a process of its own, from the start of
Python to its end, under the protocol `paper`; what counts is its processor time, and the most memory that it took. The
folders take turns, each once before anything is measured so that their machine code is on disk, all with this
environment's Python. Every round has a seed of its own, 0 first: where revisions draw different noise, episodes differ
in length, and so does the number of updates, which is printed. Revisions that play different engines do different work:
then the ratio says nothing. On a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from roma.runs.config import resolve
from roma.support.errors import UserError
from roma.support.system import processor

MAPS = ("2s3z", "MMM2", "10m_vs_11m", "27m_vs_30m")
CELLS = tuple(f"{map_name}/{algorithm}" for algorithm in ("qmix", "roma") for map_name in MAPS)
STEPS = 200_000
WARM_STEPS = 100  # of the run that leaves machine code on disk


class Taken(NamedTuple):
    """What a run took."""

    seconds: float  # of processor time
    updates: float
    megabytes: float  # of memory, at most


def train(folder: Path, map_name: str, algorithm: str, steps: int, seed: int) -> Taken:
    """Train a run with the code in `folder`.

    Raises:
        UserError: the run failed.
    """
    with tempfile.TemporaryDirectory() as out:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "roma", "train", "--map", map_name, "--algorithm", algorithm]
        done = subprocess.run(
            [*command, "--seed", str(seed), "--protocol", "paper", "--steps", str(steps), "--out", out],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
            text=True,
            capture_output=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise UserError(f"the run in {folder} failed: {done.stderr.strip().splitlines()[-1]}")
        facts = json.loads((Path(out) / "provenance.json").read_text(encoding="utf-8"))
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(seconds, facts["updates"], facts["peak_memory_mb"])


def compare(
    folders: Sequence[Path], cells: Sequence[str], steps: int, rounds: int
) -> Iterator[tuple[str, list[Taken]]]:
    """Yield each cell with the mean of what its runs took in each folder.

    Raises:
        UserError: a folder or a cell is none, or a run failed.
    """
    for folder in folders:
        if not (folder / "roma" / "__main__.py").exists():
            raise UserError(f"{folder} is no clone of this project")
    parsed = []
    for cell in cells:
        map_name, found, algorithm = cell.partition("/")
        if not found:
            raise UserError(f"{cell!r} is not of the form map/algorithm, as in {CELLS[0]}")
        config = resolve(map_name, algorithm, 0)
        parsed.append((config.map, config.algorithm))
    for map_name, algorithm in parsed:
        for folder in dict.fromkeys(folders):
            train(folder, map_name, algorithm, WARM_STEPS, 0)
        turns = [[train(folder, map_name, algorithm, steps, seed) for folder in folders] for seed in range(rounds)]
        of_folders = [Taken(*map(mean, zip(*taken, strict=True))) for taken in zip(*turns, strict=True)]
        yield f"{map_name}/{algorithm}", of_folders


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, or 2 on wrong input."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.revisions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="FOLDER", help="the revision that is judged comes last"
    )
    parser.add_argument(
        "--cells", nargs="+", default=CELLS, metavar="MAP/ALGORITHM", help=f"default: {' '.join(CELLS)}"
    )
    parser.add_argument("--steps", type=int, default=STEPS, help=f"environment steps of each run; default: {STEPS}")
    parser.add_argument("--rounds", type=int, default=1, help="turns, of which the mean counts; default: 1")
    asked = parser.parse_args(arguments)
    *earlier, _ = folders = [folder.resolve() for folder in asked.folders]
    heads = "".join(f"{f'{folder.name}, s':>16}{'updates':>9}{'MB':>7}" for folder in folders)
    heads += "".join(f"{f'over {folder.name}':>16}" for folder in earlier)
    try:
        for name in ("steps", "rounds"):
            if (value := getattr(asked, name)) < 1:
                raise UserError(f"--{name} = {value} must be at least 1")
        print(f"{processor.facts().get('model name', 'unknown')}, {asked.steps:,} environment steps")
        print(f"{'cell':<24}{heads}", flush=True)
        for cell, taken in compare(folders, asked.cells, asked.steps, asked.rounds):
            columns = "".join(f"{each.seconds:>16.1f}{each.updates:>9.0f}{each.megabytes:>7.0f}" for each in taken)
            ratios = "".join(f"{each.seconds / taken[-1].seconds:>16.2f}" for each in taken[:-1])
            print(f"{cell:<24}{columns}{ratios}", flush=True)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
