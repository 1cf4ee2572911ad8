"""Validation of the engine on each map: QMIX, VDN and IQL under SMAC's protocol beside the runs released with SMAC.

The rule is in docs/analysis_plan.md. A map fails if the win rate of an arm at 2 million steps is more than 25 points
from the released median, or if QMIX does not lead an arm that it leads by 15 points in the released runs. Claims on win
rates get no verdict on such a map.
"""

from collections.abc import Mapping
from enum import Enum
from functools import cache

import numpy as np
import pandas as pd

from analysis.claims.evidence import Evidence
from roma.scenarios import map_names, released_runs

PROTOCOL, STEPS = "smac_v1", 2_000_000  # environment steps
TESTS = 5  # tests averaged to the level of a run
LEADER, COMPARED = "qmix", ("qmix", "vdn", "iql")
MARGIN, LEAD = 0.25, 0.15
COLUMNS = ["map", "arm", "released runs", "released", "our runs", "ours", "difference"]


class Standing(Enum):
    """Result of the validation on a map."""

    VALIDATED = "as in the released runs"
    FAILED = "engine not validated here"
    NOT_COMPARED = "not compared with public runs"
    NO_PUBLIC_RUN = "no public run to compare with"


def levels(evidence: Evidence) -> pd.DataFrame:
    """Return COLUMNS for every map and compared arm with released runs.

    A level is the median over runs of the mean win rate of five tests. Our level is NaN without runs of at least STEPS.
    Our runs are those of the arm under PROTOCOL, or of the arm `<arm>_smac_v1` in a scale with another protocol.
    """
    rows = [[*cell, *level, *_ours(evidence, *cell)] for cell, level in _released().items()]
    table = pd.DataFrame(rows, columns=COLUMNS[:-1])
    return table.assign(difference=table["ours"] - table["released"])


@cache
def _released() -> dict[tuple[str, str], tuple[int, float]]:
    """Return the number of released runs and their level for every map and compared arm that has any."""
    found = {}
    for name in map_names():
        for arm in [arm for arm in COMPARED if arm in released_runs.algorithms(name)]:
            rates = released_runs.win_rates_before(name, arm, STEPS, TESTS)
            found[name, arm] = len(rates), float(np.median(rates))
    return found


def _ours(evidence: Evidence, map_name: str, arm: str) -> tuple[int, float]:
    """Return the number of our runs of an arm, and their level."""
    for name in (arm, f"{arm}_{PROTOCOL}"):
        alike = evidence.has(map_name, name) and evidence.protocol(map_name, name) == PROTOCOL
        if alike and evidence.total_steps(map_name, name) >= STEPS:
            found = evidence.last_tests(map_name, name, TESTS, STEPS)
            return len(found), float(found.median())
    return 0, float("nan")


def standings(evidence: Evidence) -> dict[str, Standing]:
    """Return the result of the validation on every map."""
    of_maps = dict(list(levels(evidence).groupby("map")))
    return {name: _standing(of_maps[name]) if name in of_maps else Standing.NO_PUBLIC_RUN for name in map_names()}


def _standing(of_map: pd.DataFrame) -> Standing:
    """Return the result of the validation on a map with released runs."""
    columns = (of_map[name] for name in ("arm", "our runs", "released", "ours", "difference"))
    compared = {arm: numbers for arm, runs, *numbers in zip(*columns, strict=True) if runs}
    if LEADER not in compared:
        return Standing.NOT_COMPARED
    released, ours, _ = compared[LEADER]
    lost = [released - theirs >= LEAD and ours <= our_other for theirs, our_other, _ in compared.values()]
    far = [abs(difference) > MARGIN for *_, difference in compared.values()]
    return Standing.FAILED if any(far) or any(lost) else Standing.VALIDATED


def caveat(standing: Mapping[str, Standing]) -> str:
    """Return a note on the validation of the given maps, without the validated ones."""
    maps: dict[Standing, list[str]] = {}
    for name, each in standing.items():
        maps.setdefault(each, []).append(name)
    maps.pop(Standing.VALIDATED, None)
    return "; ".join(f"{each.value}: {', '.join(names)}" for each, names in maps.items())
