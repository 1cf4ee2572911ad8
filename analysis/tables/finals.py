"""Final win rates of the whole grid: the mean of the tests in the last tenth of a run, over seeds with an interval."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import style
from analysis.claims.evidence import Evidence, with_scales_beside
from analysis.statistics import student_interval
from analysis.table import Table

SHOWN = ["map", "algorithm", "seeds", "win rate", "95 %", "lowest", "highest", "final evaluation"]


def table(summary: Path, specification: dict[str, Any]) -> Table:
    """Return one row per (map, arm).

    Args:
        summary: Folder of the tidy tables.
        specification: Entry of the figure list. `cells` lists maps and arms that have a row in any case; `beside` lists
            further scales whose comparable arms are added.
    """
    evidence = with_scales_beside(summary, specification)
    listed = [(name, arm) for cell in specification["cells"] for name in cell["maps"] for arm in cell["arms"]]
    cells = dict.fromkeys([*listed, *evidence.cells])
    maps = list(dict.fromkeys(name for name, _ in cells))
    known = list(style.ARMS)

    def place(cell: tuple[str, str]) -> tuple[int, int]:
        return maps.index(cell[0]), known.index(cell[1]) if cell[1] in known else len(known)

    rows = [_row(evidence, *cell) for cell in sorted(cells, key=place)]
    frame = pd.DataFrame(rows).astype({"steps": "Int64"})
    most = int(frame["seeds"].max())
    missing = _named(frame[frame["seeds"] == 0], frame)
    fewer = _named(frame[frame["seeds"].between(1, most - 1)], frame)
    notes = [
        evidence.origin,
        "Win rate: mean of the tests in the last tenth of a run, mean over seeds; Student t interval for three or more"
        " seeds",
        "Final evaluation: mean win rate over seeds of the last policy in greedy episodes; no verdict depends on it",
        *([f"Fewer than {most} seeds: {', '.join(fewer)}"] if fewer else []),
        *([f"Missing runs: {', '.join(missing)}"] if missing else []),
    ]
    return Table(frame, notes, "map", SHOWN)


def _named(part: pd.DataFrame, whole: pd.DataFrame) -> list[str]:
    """Return the cells of a part as map/arm; the map alone if the part has all its arms."""
    sizes = whole["map"].value_counts()
    names: list[str] = []
    for name, cell in part.groupby("map", sort=False):
        names += [str(name)] if len(cell) == sizes[name] else [f"{name}/{arm}" for arm in cell["arm"]]
    return names


def _row(evidence: Evidence, map_name: str, arm: str) -> dict[str, Any]:
    present = evidence.has(map_name, arm)
    values = evidence.final_win_rates(map_name, arm).to_numpy(float) if present else np.empty(0)
    steps = evidence.total_steps(map_name, arm) if present else None
    protocol = evidence.protocol(map_name, arm) if present else None
    evaluation = float(evidence.evaluated_win_rates(map_name, arm).mean()) if present else None
    facts = {"protocol": protocol, "steps": steps, "final evaluation": evaluation}
    return {"map": map_name, "algorithm": style.label(arm), "arm": arm, **summed_up(values), **facts}


def summed_up(values: np.ndarray) -> dict[str, Any]:
    """Return number, mean, interval (also as text) and extremes of the seeds' win rates; NaN without seeds."""
    interval = student_interval(values[:, None], bounds=(0.0, 1.0))
    low, high = float(interval.low[0]), float(interval.high[0])
    return {
        "seeds": len(values),
        "win rate": float(interval.mean[0]),
        "low": low,
        "high": high,
        "95 %": between(low, high),
        "lowest": float(values.min()) if len(values) else float("nan"),
        "highest": float(values.max()) if len(values) else float("nan"),
    }


def between(low: float, high: float) -> str | None:
    """Format an interval; None if there is none."""
    return None if pd.isna(low) else f"{low:.2f} to {high:.2f}"
