"""Cost of the runs: wall time, speed and memory, medians and extremes over seeds. No other table depends on clocks."""

from pathlib import Path
from typing import Any

import pandas as pd

from analysis import style
from analysis.summarise import origin, scale_of
from analysis.table import Table


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
        "Updates, hours and steps/s: medians over seeds, tests included; memory: maximum over seeds; resumes: sum over"
        " seeds",
    ]
    return Table(pd.DataFrame(rows), notes, groups="map")
