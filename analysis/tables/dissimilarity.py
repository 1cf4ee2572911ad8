"""Learnt dissimilarity within and between unit types (table 2), with every spread apart and the matrix of types."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import style
from analysis.summarise import scale_of, summaries_beside
from analysis.table import Table

RUN = ["map", "arm", "seed", "step"]
SEPARATION = {"AUC": "dissimilarity_auc", "best threshold": "dissimilarity_threshold_accuracy"}
COLUMNS = [
    *(
        "map",
        "arm",
        "scale",
        "steps",
        "scaling",
        "first type",
        "second type",
        "dissimilarity",
        "over seeds",
        "over episodes",
    ),
    *("over pairs", "pairs", "seeds", *SEPARATION),
]


def table(summary: Path, specification: dict[str, Any]) -> Table:
    """Rows of each arm between and within types, then of each ordered pair of types; untrained only the first two.

    `specification` names in `beside` the scales of the same engine whose arms are added, where they have a summary.
    """
    folders = [summary, *summaries_beside(summary, specification).values()]
    rows = [row for folder in folders for row in _of_scale(folder, specification)]
    found = {(row["map"], row["arm"]) for row in rows}
    expected = [(name, style.label(arm)) for name in specification["maps"] for arm in specification["arms"]]
    absent = [f"{arm} on {name}" for name, arm in expected if (name, arm) not in found]
    notes = [
        "Pairs of living agents i, j in this order, from the second decision on, scaled to [0, 1] over those of a"
        " moment or of all recorded episodes of a run",
        "Spreads are standard deviations: of the runs' means over seeds, of a run's means over its episodes, of the"
        " pairs about their episode's mean",
        "AUC and best threshold (balanced accuracy): how well d tells pairs of different types from pairs of the same",
        "Steps 0: untrained",
    ]
    if absent:
        notes.append(f"Not run yet: {', '.join(absent)}")
    shown = [name for name in COLUMNS if name not in ("map", "scale", "seeds")]
    return Table(pd.DataFrame(rows, columns=COLUMNS), notes, groups="arm", shown=shown)


def _of_scale(summary: Path, specification: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of one scale, arm by arm, the end of the run before its beginning."""
    found, measures = (pd.read_parquet(summary / f"{name}.parquet") for name in ("dissimilarity", "roles"))
    measures = measures[measures["reference"] == "roles"]
    rows = []
    for map_name, arm in ((name, arm) for name in specification["maps"] for arm in specification["arms"]):
        cell, of_cell = (part[(part["map"] == map_name) & (part["arm"] == arm)] for part in (found, measures))
        for step, scaling in (
            (step, by) for step in sorted(cell["step"].unique())[::-1] for by in ("step", "data set")
        ):
            chosen = cell[(cell["step"] == step) & (cell["scaling"] == scaling)]
            named = {"map": map_name, "arm": style.label(arm), "scale": scale_of(summary), "steps": step}
            of_step = of_cell[(of_cell["step"] == step) & (scaling == "step")]
            rows += [{**named, "scaling": f"by {scaling}", **row} for row in _rows(chosen, of_step, step > 0)]
    return rows


def _rows(cell: pd.DataFrame, separation: pd.DataFrame, matrix: bool) -> list[dict[str, Any]]:
    of_runs = {
        name: separation.loc[separation["measure"] == measure, "value"].mean() for name, measure in SEPARATION.items()
    }
    rows: list[dict[str, Any]] = [
        {"first type": f"{relation} types", "second type": "", **spreads(part), **of_runs}
        for relation, part in cell.groupby("relation", sort=True)
    ]
    if matrix:
        for (first, second), part in cell.groupby(["type_a", "type_b"], sort=True):
            rows.append({"first type": first, "second type": second, **spreads(part)})
    return rows


def spreads(part: pd.DataFrame) -> dict[str, Any]:
    """Mean over runs of each run's mean over pairs, and how it spreads over runs, episodes and pairs.

    Rows of `part` are episodes and pairs of types, with d_mean, d_std and pairs.
    """
    weighted = part.assign(sum=part["d_mean"] * part["pairs"])
    episodes = weighted.groupby([*RUN, "episode"])[["sum", "pairs"]].sum()
    of_episode = episodes["sum"] / episodes["pairs"]
    runs = episodes.groupby("seed").sum()
    of_run = runs["sum"] / runs["pairs"]
    centre = of_episode.loc[list(zip(*(part[name] for name in [*RUN, "episode"]), strict=True))].to_numpy()
    squares = part["d_std"].fillna(0) ** 2 * (part["pairs"] - 1) + part["pairs"] * (part["d_mean"] - centre) ** 2
    return {
        "dissimilarity": of_run.mean(),
        "over seeds": of_run.std(),
        "over episodes": of_episode.groupby("seed").std().mean(),
        "over pairs": float(np.sqrt(squares.sum() / max(int(part["pairs"].sum()) - len(of_episode), 1))),
        "pairs": int(part["pairs"].sum()),
        "seeds": len(of_run),
    }
