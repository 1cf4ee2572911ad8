"""Final performance aggregated over maps: interquartile means and probabilities of improvement."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import style
from analysis.figures.aggregates import IMPROVEMENT, IQM, data, notes
from analysis.table import Table
from analysis.tables.finals import between

SHOWN = ["algorithm", "interquartile mean", "95 %", "improvement", "improvement, 95 %"]


def table(summary: Path, specification: dict[str, Any]) -> Table:
    """Return the interquartile mean and the probability of improvement of each arm.

    Args:
        summary: Folder of the tidy tables.
        specification: Entry of the figure list; the first of its `arms` is the one that the others are compared with.
    """
    frame = data(summary, specification, [])
    rows = []
    for arm in specification["arms"]:
        row: dict[str, Any] = {"algorithm": style.label(arm), "arm": arm}
        for statistic, name in ((IQM, IQM), (IMPROVEMENT, "improvement")):
            found = frame[(frame["arm"] == arm) & (frame["statistic"] == statistic)]
            lead = "" if statistic == IQM else "improvement, "
            value, low, high = found[["value", "low", "high"]].iloc[0] if len(found) else (np.nan,) * 3
            row |= {name: value, f"{lead}low": low, f"{lead}high": high, f"{lead}95 %": between(low, high)}
        rows.append(row)
    reference = style.label(specification["arms"][0])
    said = [
        *notes(frame),
        f"Improvement: probability that a run of {reference} has a higher final win rate than a run of the arm; a tie"
        " counts one half",
    ]
    return Table(pd.DataFrame(rows), said, None, SHOWN)
