"""The order in which the runs of a campaign are trained: Snakemake's priorities, computed once when it starts.

The tranche decides first. Within a tranche come the runs that can be finished in the time left, then those that were
begun, then the others, and of equals the run with the fewest steps left. A run that was begun on another family of
processors cannot go on here and comes last of all. An evaluation comes before every training.
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
CLASSES = 3  # within a tranche
CLASS = 1_000_000  # priorities of one class; more than there are runs


@dataclass(frozen=True)
class Standing:
    """What is known of a run before the start."""

    key: tuple[str, str, int]
    tranche: int  # place of its tranche; lower ones come first
    left: int  # environment steps
    seconds: float  # that they take, as far as one can tell
    begun: bool
    elsewhere: bool  # begun on another family of processors


def family() -> str:
    """Return this machine's family of processors as runs record it, which depends on the libraries that they load."""
    program = "import roma.runs.training; from roma.support.system.processor import family; print(family())"
    return ask([sys.executable, "-c", program])


def standing(
    run: Run, results: Path, family: str | None, tranches: Sequence[str], speeds: Mapping[Cell, Speed]
) -> Standing:
    """Return how a run stands.

    Args:
        run: the run.
        results: the folder of its scale.
        family: of the processors here; None where runs may come to any, as on a cluster.
        tranches: the names of the scale's tranches, in their order.
        speeds: measured ones, by cell, for runs that have not said theirs.
    """
    said: dict[str, Any] = {"t_env": 0, "steps_per_second": 0.0, "cpu_family": family}
    with suppress(OSError, ValueError):
        said |= json.loads(RunDirectory(results / "runs" / run.directory).progress_file.read_text(encoding="utf-8"))
    left = max(run.total_steps - said["t_env"], 0)
    rate = said["steps_per_second"] or expected_speed(run, speeds)
    elsewhere = said["t_env"] > 0 and family is not None and said["cpu_family"] != family
    # A run of several tranches has the place of the first that asks for more steps than it has.
    asked = [tranches.index(name) for name, steps in run.tranches.items() if steps > said["t_env"]]
    return Standing(run.key, min(asked, default=0), left, left / rate, said["t_env"] > 0, elsewhere)


def priorities(standings: Iterable[Standing], seconds_left: float) -> dict[tuple[str, str, int], int]:
    """Return Snakemake's priority of each run, the higher the earlier; 0 for those begun elsewhere."""
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
