"""Numbers that the paper states of its own runs, beside ours."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import style
from analysis.claims.evidence import BEST, WON, Evidence
from analysis.statistics import student_interval
from analysis.table import Table

NUMBERS = Path(__file__).parents[2] / "paper.csv"
FROM, TO = 6_000_000, 10_000_000  # environment steps between which the paper sees the win rate rise on MMM2
TESTS = 5  # whose mean is a win rate at a step
SHOWN = ["map", "algorithm", "quantity", "paper", "ours", "95 %", "lowest", "highest", "seeds", "steps", "place"]


def table(summary: Path, specification: dict[str, Any]) -> Table:
    """Return a row for each number of the paper; `specification` has nothing but the title and what is read."""
    evidence = Evidence.read(summary)
    rows = []
    for number in pd.read_csv(NUMBERS, comment="#", dtype=str, keep_default_na=False).to_dict("records"):
        map_name, arm = number["map"], number["arm"]
        present = evidence.has(map_name, arm)
        steps = evidence.total_steps(map_name, arm) if present else None
        values = MEASURES[number["quantity"]](summary, evidence, map_name, arm) if present else np.empty(0)
        rows.append(
            {
                "map": map_name,
                "arm": arm,
                "algorithm": style.label(arm),
                "quantity": number["quantity"],
                "paper": number["value"] + (number["spread"] and f" ± {number['spread']}"),
                **_summed_up(values),
                "steps": steps,
                "place": number["place"],
            }
        )
    notes = [
        f"On the {evidence.engine}, scale {evidence.scale}",
        "Ours: mean over seeds with Student's t interval of 95 %, from three seeds on. First win: the first test with a"
        " win, over the seeds that have one",
        "The paper's spreads are standard deviations. It trains 20 million steps on StarCraft II",
        f"A win rate at a step is the mean of the last {TESTS} tests",
    ]
    return Table(pd.DataFrame(rows).astype({"steps": "Int64"}), notes, None, SHOWN)


def _summed_up(values: np.ndarray) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    interval = student_interval(known[:, None])
    low, high = float(interval.low[0]), float(interval.high[0])
    return {
        "ours": float(interval.mean[0]),
        "low": low,
        "high": high,
        "95 %": None if np.isnan(low) else f"{low:.3g} to {high:.3g}",
        "lowest": float(known.min()) if len(known) else float("nan"),
        "highest": float(known.max()) if len(known) else float("nan"),
        "seeds": len(known),
    }


def _dissimilarity(relation: str) -> Callable[[Path, Evidence, str, str], np.ndarray]:
    """Return a function of the mean dissimilarity of each seed's last milestone, scaled to [0, 1] within a moment."""

    def of_seeds(summary: Path, evidence: Evidence, map_name: str, arm: str) -> np.ndarray:
        pairs = pd.read_parquet(summary / "dissimilarity.parquet")
        chosen = (pairs["map"] == map_name) & (pairs["arm"] == arm) & (pairs["scaling"] == "step")
        pairs = pairs[chosen & (pairs["relation"] == relation)]
        last = pairs[pairs["step"] == pairs.groupby("seed")["step"].transform("max")]
        weighted = last.assign(sum=last["d_mean"] * last["pairs"]).groupby("seed")[["sum", "pairs"]].sum()
        return (weighted["sum"] / weighted["pairs"]).to_numpy(dtype=float)

    return of_seeds


def _first_win(summary: Path, evidence: Evidence, map_name: str, arm: str) -> np.ndarray:
    """Return the environment steps of each seed's first test with a win; NaN where there is none."""
    curves = pd.read_parquet(summary / "curves.parquet")
    cell = curves[(curves["map"] == map_name) & (curves["arm"] == arm)]
    first = cell[cell[WON] > 0].groupby("seed")["step"].min()
    return first.reindex(cell["seed"].unique()).to_numpy(dtype=float)


def _rise(summary: Path, evidence: Evidence, map_name: str, arm: str) -> np.ndarray:
    if evidence.total_steps(map_name, arm) < TO:
        return np.empty(0)
    later, earlier = (evidence.last_tests(map_name, arm, TESTS, step) for step in (TO, FROM))
    return (later - earlier).to_numpy(dtype=float)


def _best(summary: Path, evidence: Evidence, map_name: str, arm: str) -> np.ndarray:
    return evidence.values(map_name, arm, BEST, evidence.total_steps(map_name, arm)).to_numpy(dtype=float)


MEASURES: dict[str, Callable[[Path, Evidence, str, str], np.ndarray]] = {
    "dissimilarity between unit types": _dissimilarity("between"),
    "dissimilarity within unit types": _dissimilarity("within"),
    "environment steps at the first win": _first_win,
    "win rate at 10 M steps less that at 6 M": _rise,
    "best test win rate": _best,
}
