"""Cost of the runs: wall time, speed and memory, medians and extremes over seeds. No other table depends on clocks."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.ticker import EngFormatter

from analysis import style
from analysis.summarise import origin, scale_of
from analysis.table import Table

UNITS = (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))  # of durations, with their seconds


def table(summary: Path, specification: dict[str, Any]) -> Table:
    """Return one row per (map, arm). The specification is not used."""
    runs = pd.read_parquet(summary / "cost.parquet")
    rows = []
    for (map_name, arm), cell in runs.groupby(["map", "arm"], sort=False):
        rows.append(
            {
                "map": map_name,
                "arm": style.label(str(arm)),
                "runs": len(cell),
                "steps": cell["total_steps"].max(),
                "updates": cell["updates"].median(),
                "hours": cell["wall_seconds"].median() / 3600,
                "hours, slowest": cell["wall_seconds"].max() / 3600,
                "steps/s": cell["env_steps_per_second"].median(),
                "memory, MB": cell["peak_memory_mb"].max(),
                "resumes": cell["resumes"].sum(),
            }
        )
    notes = [
        origin(pd.read_parquet(summary / "runs.parquet"), scale_of(summary)),
        "Updates, time and speed: medians over seeds, tests included; memory: maximum over seeds; resumes: sum over"
        " seeds",
        f"All {len(runs)} runs together: {duration(runs['wall_seconds'].sum())}",
    ]
    frame = pd.DataFrame(rows)
    layout = frame[["map", "arm", "runs"]].assign(
        steps=[amount(value) for value in frame["steps"]],
        updates=[f"{value:,.0f}" for value in frame["updates"]],
        time=[duration(3600 * value) for value in frame["hours"]],
        slowest=[duration(3600 * value) for value in frame["hours, slowest"]],
        speed=[f"{value:,.0f} steps/s" for value in frame["steps/s"]],
        memory=[memory(value) for value in frame["memory, MB"]],
        resumes=frame["resumes"],
    )
    return Table(frame, notes, groups="map", shown=layout)


def duration(seconds: float) -> str:
    """Format a time in the largest of days, hours, minutes and seconds of which it has at least one."""
    unit, length = next(((unit, length) for unit, length in UNITS if seconds >= length), UNITS[-1])
    return f"{seconds / length:.{0 if seconds >= 10 * length else 1}f} {unit}"


def memory(megabytes: float) -> str:
    """Format an amount of memory in MB, from 1000 MB on in GB."""
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"


def amount(steps: float) -> str:
    """Format a number of environment steps with k or M."""
    return str(EngFormatter(sep=" ")(steps))
