"""Effect of single settings on win rates: each arm beside the reference from which it differs.

Readers see one row for each arm. The CSV has a row for each measure, with its intervals.
"""

import json
from collections.abc import Hashable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.claims.evidence import AREA, FINAL, Evidence
from analysis.claims.inference import Estimate, contrast, moments
from analysis.statistics import FEWEST_SEEDS, Floats, student_interval
from analysis.summarise import joined
from analysis.table import Table, with_interval

MEASURES = {FINAL: "last tenth", AREA: "all tests"}  # and their words for readers
SHOWN = [
    "map",
    "setting",
    "seeds",
    *(f"{number}, {words}" for words in MEASURES.values() for number in ("win rate", "difference")),
]
NUMBERS = ["seeds", "win rate", "low", "high", "difference", "difference, low", "difference, high"]


def table(summary: Path, specification: dict[str, Any]) -> Table:
    """Return one row per planned (map, arm) and measure, after its reference; without runs it has no numbers.

    The runs of a map and reference are compared at the end of the shortest.

    Args:
        summary: Folder of the tidy tables.
        specification: Entry of the figure list, with `maps` and `references`, each reference with its arms.
    """
    evidence = Evidence.read(summary)
    settings = {
        cell: dict(zip(part["setting"], map(json.loads, part["value"]), strict=True))
        for cell, part in pd.read_parquet(summary / "settings.parquet").groupby(["map", "arm"])
    }
    rows = []
    for map_name in specification["maps"]:
        for reference, arms in specification["references"].items():
            planned = [arm for arm in arms if evidence.planned_seeds(map_name, arm)]
            compared = [reference, *planned] if planned else []
            there = [arm for arm in compared if evidence.has(map_name, arm)]
            step = min((evidence.total_steps(map_name, arm) for arm in there), default=0)
            for arm, measure in product(compared, MEASURES):
                row = {"map": map_name, "arm": arm, "setting": arm, "measure": measure, "seeds": 0}
                others = None
                if arm == reference:
                    row["setting"] = f"{arm} (reference)"
                elif arm in there and reference in there:
                    row["setting"] = _change(settings[map_name, reference], settings[map_name, arm])
                    others = evidence.values(map_name, reference, measure, step).to_numpy(float)
                if arm in there:
                    values = evidence.values(map_name, arm, measure, step).to_numpy(float)
                    row |= {"steps": step, **_numbers(values, others)}
                rows.append(row)
    frame = pd.DataFrame(rows, columns=["map", "arm", "setting", "steps", "measure", *NUMBERS])
    missing = dict.fromkeys(f"{row['map']}/{row['arm']}" for row in rows if not row["seeds"])
    steps = joined(f"{step:,}" for step in frame["steps"].dropna().astype(int))
    notes = [
        evidence.origin,
        f"Win rate in tests, mean over seeds with Student t interval of 95 %; last tenth: of {steps} steps; all tests:"
        " of the whole training, the area under the learning curve",
        "Difference: mean win rate minus that of the reference, with Welch's t interval, not corrected for multiple"
        f" comparisons; below {FEWEST_SEEDS} seeds, an arm is taken to deviate between seeds as its reference does",
        *([f"Missing runs: {', '.join(missing)}"] if missing else []),
    ]
    return Table(frame, notes, "map", _layout(frame))


def _numbers(values: Floats, others: Floats | None) -> dict[str, float]:
    """Return the numbers of an arm with these win rates, beside its reference's if there are any."""
    interval = student_interval(values[:, None], bounds=(0.0, 1.0))
    found = {"seeds": len(values), "win rate": float(interval.mean[0])}
    found |= {"low": float(interval.low[0]), "high": float(interval.high[0])}
    if others is None:
        return found
    found["difference"] = float(values.mean() - others.mean())
    if len(others) >= FEWEST_SEEDS:
        found["difference, low"], found["difference, high"] = _difference(values, others).interval()
    return found


def _difference(values: Floats, others: Floats) -> Estimate:
    """Return Welch's difference of means; an arm with few seeds is taken to deviate as its reference does."""
    reference = moments(others)
    if len(values) >= FEWEST_SEEDS:
        return contrast([moments(values), reference], [1.0, -1.0])
    variance = reference.variance * (1 / len(values) + 1 / reference.n)
    return Estimate(values.mean() - reference.mean, np.sqrt(variance), np.asarray(reference.n - 1))


def _layout(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per arm, with the win rate and the difference of each measure."""
    rows = []
    for (map_name, _, setting), part in frame.groupby(["map", "arm", "setting"], sort=False):
        row = {"map": map_name, "setting": setting, "seeds": part["seeds"].max()}
        for numbers in part.to_dict("records"):
            words = MEASURES[numbers["measure"]]
            row[f"win rate, {words}"] = _written(numbers, "win rate", "low", "high")
            row[f"difference, {words}"] = _written(numbers, "difference", "difference, low", "difference, high")
        rows.append(row)
    return pd.DataFrame(rows, columns=SHOWN)


def _written(numbers: dict[Hashable, Any], value: str, low: str, high: str) -> str | None:
    """Format the number of a column with the bounds of two others; None without a number."""
    return None if pd.isna(numbers[value]) else with_interval(numbers[value], numbers[low], numbers[high])


def _change(reference: dict[str, Any], other: dict[str, Any]) -> str:
    """Format the settings that differ, each as `setting = value (reference's value)`."""
    changed = [name for name in other if other[name] != reference[name]]
    return ", ".join(f"{name} = {_text(other[name])} ({_text(reference[name])})" for name in changed)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
