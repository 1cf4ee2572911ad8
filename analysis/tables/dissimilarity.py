"""Learnt dissimilarity within and between unit types (table 2).

Readers see the two rows of the paper, then the matrix of unit types. The CSV has all scalings, steps and spreads.
"""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import style
from analysis.summarise import origin, scale_of, summaries_beside
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
HEADLINES = {"between types": "of different unit types", "within types": "of the same unit type"}
LAYOUT = ["arm", "pairs of agents", "dissimilarity", "scaled over episodes", "untrained", *SEPARATION, "seeds"]


def table(summary: Path, specification: dict[str, Any]) -> Table:
    """Return the rows of each arm: between types, within types, then each ordered pair of types.

    The untrained network has the first two rows only.

    Args:
        summary: Folder of the tidy tables.
        specification: Entry of the figure list. `beside` lists further scales of the same engine whose arms are added,
            if they have a summary.
    """
    folders = [summary, *summaries_beside(summary, specification).values()]
    rows = [row for folder in folders for row in _of_scale(folder, specification)]
    found = {(row["map"], row["arm"]) for row in rows}
    expected = [(name, style.label(arm)) for name in specification["maps"] for arm in specification["arms"]]
    absent = [f"{arm} on {name}" for name, arm in expected if (name, arm) not in found]
    notes = [
        origin(pd.read_parquet(summary / "runs.parquet"), scale_of(summary)),
        "Dissimilarity: mean over ordered pairs of living agents from the second decision on, scaled to [0, 1] over the"
        " pairs of a step, with the standard deviation of the runs' means over seeds",
        "Scaled over episodes: over the pairs of all recorded episodes of a run. Untrained: the network of step 0,"
        " scaled over the pairs of a step",
        "AUC and best threshold (balanced accuracy): separation of pairs of different unit types from pairs of the same"
        " type by d",
        "The table paper has the paper's numbers beside ours, the file table2.csv all spreads",
    ]
    if absent:
        notes.append(f"Not run yet: {', '.join(absent)}")
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return Table(frame, notes, groups="arm", shown=_layout(frame))


def _layout(frame: pd.DataFrame) -> pd.DataFrame:
    """Return two rows for each arm, between and within unit types, then a row for each ordered pair of types."""
    indexed = frame.set_index(["map", "arm", "scaling", "first type", "second type"]).sort_index()
    last = frame.groupby(["map", "arm"])["steps"].transform("max")
    rows = []
    for row in frame[(frame["steps"] == last) & (frame["scaling"] == "by step")].to_dict("records"):
        first, second = row["first type"], row["second type"]

        def other(scaling: str, steps: int, row: dict[Hashable, Any] = row) -> pd.Series | None:
            cell = indexed.loc[[(row["map"], row["arm"], scaling, row["first type"], row["second type"])]]
            found = cell[cell["steps"] == steps]
            return found.iloc[0] if len(found) else None

        rows.append(
            {
                "arm": row["arm"],
                "pairs of agents": f"{first}, {second}" if second else HEADLINES[first],
                "dissimilarity": _with_spread(row),
                "scaled over episodes": _with_spread(other("by data set", row["steps"])),
                "untrained": _with_spread(other("by step", 0)),
                **{name: row[name] if first == next(iter(HEADLINES)) else np.nan for name in SEPARATION},
                "seeds": row["seeds"],
            }
        )
    return pd.DataFrame(rows, columns=LAYOUT)


def _with_spread(row: Any) -> str | None:
    """Format a mean with its standard deviation over seeds, if there are several; None without a row."""
    if row is None:
        return None
    return f"{row['dissimilarity']:.4f}" + ("" if pd.isna(row["over seeds"]) else f" ± {row['over seeds']:.4f}")


def _of_scale(summary: Path, specification: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of one scale, arm by arm, the last milestone before the first."""
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
    """Return the mean over runs of each run's mean over pairs, and its spreads over runs, episodes and pairs.

    Args:
        part: Rows of the table `dissimilarity`: episodes and pairs of unit types with d_mean, d_std and pairs.
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
