"""Final win rates of the whole grid: the mean of the tests in the last tenth of a run, over seeds with an interval.

Readers see a matrix of algorithms and maps. The CSV has a row for each cell, with the extremes of its seeds.
"""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import style
from analysis.claims.evidence import Evidence, with_scales_beside
from analysis.statistics import FEWEST_SEEDS, student_interval
from analysis.table import Table, with_interval

FEW = "*"  # mark of a cell with fewer seeds than others


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
    notes = [
        evidence.origin,
        f"Win rate: mean of the tests in the last tenth of a run, mean over {most} {'seed' if most == 1 else 'seeds'}"
        + (", with Student t interval of 95 %" if most >= FEWEST_SEEDS else ""),
        "The file finals.csv has the extremes and the final evaluations, on which no verdict depends",
        "A dash: no run yet; an empty cell: no run, and not one of the paper",
        *([f"{FEW} fewer than {most} seeds"] if frame["seeds"].between(1, most - 1).any() else []),
    ]
    return Table(frame, notes, shown=_matrix(frame, most))


def _matrix(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return one row per algorithm and one column per map; empty where a cell is neither listed nor trained."""
    cells = {(row["arm"], row["map"]): _written(row, most) for row in frame.to_dict("records")}
    known = list(style.ARMS)
    arms = sorted(frame["arm"].unique(), key=lambda arm: known.index(arm) if arm in known else len(known))
    columns = {name: [cells.get((arm, name), "") for arm in arms] for name in frame["map"].unique()}
    return pd.DataFrame({"algorithm": list(map(style.label, arms)), **columns})


def _written(row: dict[Hashable, Any], most: int) -> str | None:
    """Format a cell, with its interval if there is one; None without runs."""
    if not row["seeds"]:
        return None
    return f"{with_interval(row['win rate'], row['low'], row['high'])}{FEW if row['seeds'] < most else ''}"


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
