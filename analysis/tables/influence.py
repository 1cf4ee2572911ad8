"""How much roles matter at the end of training, for every arm with roles, beside untrained networks.

Readers see one row for each arm. The CSV has a row for each measure, with its interval.
"""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import style
from analysis.claims.evidence import Evidence, with_scales_beside
from analysis.claims.inference import contrast, moments
from analysis.statistics import FEWEST_SEEDS
from analysis.table import Table, with_interval

SHARE, DIFFERENCE, UNBOUNDED = (0.0, 1.0), (-1.0, 1.0), (-np.inf, np.inf)
MEASURES = {
    # measure: column for readers, bounds of its intervals
    "mean_share": ("variance of means", SHARE),
    "changed_by_resampling": ("changed by resampling", SHARE),
    "changed_by_exchange": ("changed by exchange", SHARE),
    "behaviour_correlation": ("role and action distances", DIFFERENCE),
    "return_lost": ("return lost", UNBOUNDED),
    "wins_lost": ("win rate lost", DIFFERENCE),
}
NOTES = [
    "Variance of means: share of the variance of sampled roles that their means have, between agents and moments; the"
    " rest is sampling noise",
    "Changed: share of an agent's greedy actions, at the same history, that change when its role is drawn again"
    " (resampling), or is that of another living agent (exchange)",
    "Role and action distances: rank correlation of the distance between two agents' roles with that between their"
    " distributions of actions",
    "Lost: mean loss in episodes in which every agent has the role of another agent",
    "Greedy episodes of the last policy; mean over seeds with Student t interval of 95 %. Untrained: networks of the"
    " first arm with random weights, mean over networks",
]
COLUMNS = ["map", "arm", "algorithm", "steps", "measure", "mean", "low", "high", "n"]


def table(summary: Path, specification: dict[str, Any]) -> Table:
    """Return one row per (map, arm, measure); `untrained` is the last arm of a map.

    Args:
        summary: Folder of the tidy tables.
        specification: Entry of the figure list. `maps` and `arms` have a row in any case, all other measured cells
            follow; `beside` lists further scales whose comparable arms are added.
    """
    evidence = with_scales_beside(summary, specification)
    listed = [(map_name, arm) for map_name in specification["maps"] for arm in specification["arms"]]
    cells = dict.fromkeys([*listed, *(cell for cell in evidence.cells if _measured(evidence, *cell))])
    rows = []
    for map_name in dict.fromkeys(name for name, _ in cells):
        arms = [arm for name, arm in cells if name == map_name]
        for arm in arms:
            rows += _of_arm(evidence, map_name, arm)
        measured = next((arm for arm in arms if _measured(evidence, map_name, arm)), None)
        rows += _of_untrained(evidence, map_name, measured) if measured else []
    frame = pd.DataFrame(rows, columns=COLUMNS).astype({"steps": "Int64"})
    missing = [f"{name}/{arm}" for name, arm in cells if not _measured(evidence, name, arm)]
    notes = [evidence.origin, *NOTES, *([f"Missing runs: {', '.join(missing)}"] if missing else [])]
    return Table(frame, notes, "map", _layout(frame))


def _measured(evidence: Evidence, map_name: str, arm: str) -> bool:
    """Return whether the roles of a cell's last policies were measured."""
    first, *_ = MEASURES
    last = evidence.total_steps(map_name, arm) if evidence.has(map_name, arm) else None
    return last is not None and len(evidence.values(map_name, arm, first, last)) > 0


def _of_arm(evidence: Evidence, map_name: str, arm: str) -> list[dict[str, Any]]:
    """Return a row for each measure, of the policies at the end of training."""
    if not _measured(evidence, map_name, arm):
        return [_row(map_name, arm, measure, None, np.empty(0)) for measure in MEASURES]
    steps = evidence.total_steps(map_name, arm)
    return [
        _row(
            map_name,
            arm,
            measure,
            steps,
            evidence.values(map_name, arm, measure, steps).to_numpy(float),
            evidence.chance(map_name, arm, measure, steps),
        )
        for measure in MEASURES
    ]


def _of_untrained(evidence: Evidence, map_name: str, arm: str) -> list[dict[str, Any]]:
    """Return a row for each measure, of the networks with random weights."""
    values = {measure: evidence.values(map_name, arm, measure, 0, style.UNTRAINED) for measure in MEASURES}
    return [_row(map_name, style.UNTRAINED, measure, 0, found.to_numpy(float)) for measure, found in values.items()]


def _row(
    map_name: str, arm: str, measure: str, steps: int | None, values: np.ndarray, chance: float = 0.0
) -> dict[str, Any]:
    """Return the row of a sample; `chance` is the least variance between its values."""
    low = high = np.nan
    if len(values) >= FEWEST_SEEDS:
        low, high = np.clip(contrast([moments(values, chance)], [1.0]).interval(), *MEASURES[measure][1])
    mean = values.mean() if len(values) else np.nan
    found = (map_name, arm, style.label(arm), steps, measure, mean, low, high, len(values))
    return dict(zip(COLUMNS, found, strict=True))


def _layout(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per arm and one column per measure."""
    rows = []
    for (map_name, algorithm), part in frame.groupby(["map", "algorithm"], sort=False):
        cells = {MEASURES[row["measure"]][0]: _written(row) for row in part.to_dict("records")}
        rows.append({"map": map_name, "algorithm": algorithm, **cells, "n": part["n"].max()})
    return pd.DataFrame(rows, columns=["map", "algorithm", *(words for words, _ in MEASURES.values()), "n"])


def _written(row: dict[Hashable, Any]) -> str | None:
    """Format a cell; None without runs."""
    return with_interval(row["mean"], row["low"], row["high"]) if row["n"] else None
