"""Final performance of the whole grid: the mean of a run's last tenth of tests, over seeds with its interval."""

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
    """`specification` names in `cells` the maps and arms expected, each of which has a row.

    Others follow, of this summary and of the scales named in `beside` that are comparable.
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
        f"On the {evidence.engine}, scale {evidence.scale}",
        "Win rate: of a run the mean of the tests in its last tenth; of three or more seeds with Student's t interval",
        "Final evaluation: mean over seeds of the last weights in greedy battles; decides nothing",
        *([f"Fewer than {most} seeds: {', '.join(fewer)}"] if fewer else []),
        *([f"Missing runs: {', '.join(missing)}"] if missing else []),
    ]
    return Table(frame, notes, "map", SHOWN)


def _named(part: pd.DataFrame, whole: pd.DataFrame) -> list[str]:
    """The cells of a part as map/arm, as map alone where it has all arms of one."""
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
    """Win rates of seeds as their number, mean, interval (also as text) and extremes; NaN where there are none."""
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
    """An interval for readers; None where there is none."""
    return None if pd.isna(low) else f"{low:.2f} to {high:.2f}"
