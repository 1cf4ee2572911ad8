"""What the runs cost: wall time, speed and memory, medians and extremes over seeds. The one table that has clocks."""

from pathlib import Path
from typing import Any

import pandas as pd

from analysis import style
from analysis.table import Table


def table(summary: Path, specification: dict[str, Any]) -> Table:
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
    notes = ["Medians over seeds where nothing else is said, tests included", "Memory: the largest of any run"]
    return Table(pd.DataFrame(rows), notes, groups="map")
