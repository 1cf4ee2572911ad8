"""Environment steps per second of processor time for the cells of the paper under both protocols.

    python -m tests.benchmarks.cells                               measure all 69 cells under both protocols
    python -m tests.benchmarks.cells MMM2/roma/paper 2s3z/iql/smac_v1    measure some
    python -m tests.benchmarks.cells --map MMM2 --protocol paper   measure those of a map, an algorithm, a protocol
    python -m tests.benchmarks.cells --write                       and keep the speeds in workflow/cost.csv

As many runs go on side by side as there are cores, as in a campaign: two at once share caches and memory, and on some
machines each costs up to 1.8 times as much as alone. Further runs keep the cores busy while the last are measured.
A cell is measured from its first update over as many environment steps as lie between two tests of its protocol, so
that the time holds exactly one test. Start, compilation and checkpoints are not in it. On a machine that does nothing
else; all cells take about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, suppress
from itertools import cycle, islice
from pathlib import Path
from threading import RLock
from unittest import mock

from tqdm import tqdm

from roma.cli import main as roma
from roma.runs.config import resolve
from roma.runs.protocols import PRESETS
from roma.support.errors import UserError, unknown
from roma.support.system.processor import facts
from workflow.cost import Cell, Speed, read_speeds, scale_runs, write_speeds

ENDLESS = 1_000_000_000  # environment steps
NEVER = 1e9  # seconds


def paper_cells() -> list[Cell]:
    """Return the cells of the paper under both protocols."""
    pairs = dict.fromkeys((run.map, run.arm) for run in scale_runs("paper"))
    return [(*pair, protocol) for protocol in PRESETS for pair in pairs]


def parse(text: str) -> Cell:
    """Return the cell that is written as map/algorithm/protocol; any that can be trained may be named.

    Raises:
        UserError: it has another form or an unknown name.
    """
    parts = text.split("/")
    if len(parts) != 3:
        raise UserError(f"{text!r} is not of the form map/algorithm/protocol, as in {'/'.join(paper_cells()[0])}")
    config = resolve(parts[0], parts[1], 0, parts[2])
    return config.map, config.algorithm, config.protocol


class Measured(Exception):  # noqa: N818  (the end of a measurement, no error)
    """Signal that a cell has been trained for enough environment steps."""


def speed(cell: Cell, steps: int | None = None) -> float:
    """Train a cell until it is measured and return environment steps per second of processor time.

    Args:
        cell: what is measured.
        steps: over how many environment steps; None: the protocol's test interval.
    """
    from roma.runs import loop, training

    config = resolve(cell[0], cell[1], 0, cell[2])
    window = steps or config.protocol_settings.test_interval
    moments: list[tuple[int, float]] = []  # after each round with an update: environment steps, processor time in s

    class Run(loop.Run):
        def _play_round(self, bar: loop.Bar) -> None:
            super()._play_round(bar)
            if self.state.updates:
                moments.append((self.state.t_env, time.process_time()))
                if moments[-1][0] - moments[0][0] >= window:
                    raise Measured

    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(training, "Run", Run),
        redirect_stderr(io.StringIO()),
        suppress(Measured),
    ):
        training.train(config, Path(folder), ENDLESS, milestones=(), checkpoint_seconds=NEVER)
    (first, began), (last, ended) = moments[0], moments[-1]
    return (last - first) / (ended - began)


def _speed(task: tuple[Cell, int | None]) -> tuple[Cell, float]:
    tqdm.set_lock(RLock())  # its own is a semaphore, which a process that is ended would leave behind
    return task[0], speed(*task)


def measure(
    cells: Sequence[Cell], side_by_side: int, steps: int | None = None, show: Callable[[Speed], None] | None = None
) -> list[Speed]:
    """Measure cells, so many at the same time, each in a process of its own.

    Args:
        cells: what is measured.
        side_by_side: how many at the same time.
        steps: see `speed`.
        show: is called with each speed as soon as it is known.
    """
    processor = facts().get("model name", "unknown")
    found = []
    with multiprocessing.get_context("spawn").Pool(side_by_side, maxtasksperchild=1) as pool:
        measured = pool.imap_unordered(_speed, [(cell, steps) for cell in cells])
        # They begin when no cell is left to begin with, and end with the pool.
        pool.map_async(_speed, [(cell, ENDLESS) for cell in islice(cycle(cells), side_by_side - 1)], chunksize=1)
        for cell, value in measured:
            found.append(Speed(*cell, value, side_by_side, processor))
            if show:
                show(found[-1])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, or 2 on wrong input."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.cells",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cells", nargs="*", metavar="MAP/ALGORITHM/PROTOCOL", help="default: those of the paper")
    for position, name in enumerate(("map", "algorithm", "protocol")):
        known = sorted({cell[position] for cell in paper_cells()})
        parser.add_argument(f"--{name}", help=f"only cells of this {name}: {', '.join(known)}")
    parser.add_argument("--side-by-side", type=int, help="runs at the same time; default: one on each core")
    parser.add_argument("--steps", type=int, help="environment steps measured; default: the protocol's test interval")
    parser.add_argument("--write", action="store_true", help="keep the speeds in workflow/cost.csv")
    asked = parser.parse_args(arguments)
    try:
        cells = [parse(text) for text in asked.cells] or paper_cells()
        for position, name in enumerate(("map", "algorithm", "protocol")):
            value = getattr(asked, name)
            if value is not None and value not in (known := {cell[position] for cell in cells}):
                raise unknown(f"{name} of these cells", value, known)
            cells = [cell for cell in cells if value in (None, cell[position])]
        for name in ("side_by_side", "steps"):
            if (value := getattr(asked, name)) is not None and value < 1:
                raise UserError(f"--{name.replace('_', '-')} = {value} must be at least 1")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    side_by_side = asked.side_by_side or len(os.sched_getaffinity(0))
    if status := roma(["compile"]):  # so that no measured process does
        return status
    print(f"environment steps per second of processor time, {side_by_side} runs side by side", flush=True)
    found = measure(
        cells,
        side_by_side,
        asked.steps,
        lambda speed: print(f"{'/'.join(speed.cell):<50}{speed.steps_per_cpu_second:>9,.0f}", flush=True),
    )
    if asked.write:
        write_speeds([*(read_speeds() | {speed.cell: speed for speed in found}).values()])
    return 0


if __name__ == "__main__":
    sys.exit(main())
