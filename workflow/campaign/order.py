"""Training order of a campaign: Snakemake's priorities, computed once at its start.

Runs are ordered by tranche. Within a tranche, runs that can finish in the remaining time come first, then runs that
were begun, then the others; ties are broken by the fewest remaining steps. Runs that were begun on another processor
family cannot resume on this machine and come last. Evaluations come before all training.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roma.runs.directory import RunDirectory
from roma.support.system.tools import ask
from workflow.cost import Cell, Speed, expected_speed
from workflow.grid import Run

EVALUATION = 1_000_000_000
CLASSES = 3  # classes within a tranche
CLASS = 1_000_000  # priorities per class; more than the number of runs


@dataclass(frozen=True)
class Standing:
    """State of a run before the start of the campaign."""

    key: tuple[str, str, int]
    tranche: int  # index of its tranche; lower ones come first
    left: int  # remaining environment steps
    seconds: float  # estimated time for the remaining steps
    begun: bool
    elsewhere: bool  # begun on another processor family


def family() -> str:
    """Return this machine's processor family as runs record it, determined in a process with their libraries."""
    program = "import roma.runs.training; from roma.support.system.processor import family; print(family())"
    return ask([sys.executable, "-c", program])


def standing(
    run: Run, results: Path, family: str | None, tranches: Sequence[str], speeds: Mapping[Cell, Speed]
) -> Standing:
    """Return the state of a run before the start of the campaign.

    Args:
        run: The run.
        results: Folder of the scale's results.
        family: Processor family of this machine; None if runs may go to any family, as on a cluster.
        tranches: Names of the scale's tranches, in their order.
        speeds: Measured speeds by cell, for runs without a recorded speed.
    """
    said: dict[str, Any] = {"t_env": 0, "steps_per_second": 0.0, "cpu_family": family}
    with suppress(OSError, ValueError):
        said |= json.loads(RunDirectory(results / "runs" / run.directory).progress_file.read_text(encoding="utf-8"))
    left = max(run.total_steps - said["t_env"], 0)
    rate = said["steps_per_second"] or expected_speed(run, speeds)
    elsewhere = said["t_env"] > 0 and family is not None and said["cpu_family"] != family
    # A run of several tranches counts for the first one that asks for more steps than the run has.
    asked = [tranches.index(name) for name, steps in run.tranches.items() if steps > said["t_env"]]
    return Standing(run.key, min(asked, default=0), left, left / rate, said["t_env"] > 0, elsewhere)


def priorities(standings: Iterable[Standing], seconds_left: float) -> dict[tuple[str, str, int], int]:
    """Return Snakemake's priority of each run, higher for earlier runs; 0 for runs that were begun elsewhere.

    Args:
        standings: States of the runs.
        seconds_left: Seconds until the end of the campaign; infinity without a limit.
    """
    standings = list(standings)
    places = max((each.tranche for each in standings), default=0) + 1
    found = {}
    fewest_first = sorted(standings, key=lambda each: (each.left, each.key), reverse=True)
    for place, each in enumerate(fewest_first, 1):
        if each.elsewhere:
            found[each.key] = 0
            continue
        kind = CLASSES - 1 if each.seconds <= seconds_left < float("inf") else int(each.begun)
        found[each.key] = ((places - 1 - each.tranche) * CLASSES + kind) * CLASS + place
    return found
