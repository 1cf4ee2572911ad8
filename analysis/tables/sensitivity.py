"""Effect of single settings on the final win rate: each arm beside the reference from which it differs."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.claims.evidence import FINAL, Evidence
from analysis.claims.inference import contrast, moments
from analysis.statistics import FEWEST_SEEDS, Floats, student_interval
from analysis.summarise import joined
from analysis.table import Table

SHOWN = ["map", "setting", "seeds", "win rate", "win rate, 95 %", "difference", "difference, 95 %"]


def table(summary: Path, specification: dict[str, Any]) -> Table:
    """Return one row per planned (map, arm), after its reference; an arm without runs has a row without numbers.

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
            scores = {arm: evidence.values(map_name, arm, FINAL, step).to_numpy(float) for arm in there}
            for arm in compared:
                rows.append({"map": map_name, "arm": arm, "setting": arm, "seeds": 0})
                if arm in scores:
                    rows[-1] |= {"steps": step, **_numbers(scores[arm], scores.get(reference), arm == reference)}
                if arm == reference:
                    rows[-1]["setting"] = f"{arm} (reference)"
                elif arm in scores and reference in scores:
                    rows[-1]["setting"] = _change(settings[map_name, reference], settings[map_name, arm])
    numbers = ["win rate", "low", "high", "difference", "difference, low", "difference, high"]
    frame = pd.DataFrame(rows).reindex(columns=["map", "arm", "setting", "steps", "seeds", *numbers])
    frame["win rate, 95 %"] = [_interval(*pair) for pair in zip(frame["low"], frame["high"], strict=True)]
    frame["difference, 95 %"] = [
        _interval(*pair) for pair in zip(frame["difference, low"], frame["difference, high"], strict=True)
    ]
    missing = [f"{row['map']}/{row['arm']}" for row in rows if not row["seeds"]]
    notes = [
        evidence.origin,
        f"Win rate: mean of the tests in the last tenth of {joined(frame['steps'].dropna().astype(int))} steps, mean"
        " over seeds with Student t interval",
        "Difference: mean win rate minus that of the reference, with Welch's t interval, not corrected for multiple"
        " comparisons",
        *([f"Missing runs: {', '.join(missing)}"] if missing else []),
    ]
    return Table(frame, notes, "map", SHOWN)


def _numbers(values: Floats, others: Floats | None, is_reference: bool) -> dict[str, float]:
    """Return the numbers of an arm with the final win rates `values`, beside its reference's if there are any."""
    interval = student_interval(values[:, None], bounds=(0.0, 1.0))
    found = {"seeds": len(values), "win rate": float(interval.mean[0])}
    found |= {"low": float(interval.low[0]), "high": float(interval.high[0])}
    if others is None or is_reference:
        return found
    found["difference"] = float(values.mean() - others.mean())
    if min(len(values), len(others)) >= FEWEST_SEEDS:
        low, high = contrast([moments(values), moments(others)], [1.0, -1.0]).interval()
        found |= {"difference, low": low, "difference, high": high}
    return found


def _change(reference: dict[str, Any], other: dict[str, Any]) -> str:
    """Format the settings that differ, each as `setting = value (reference's value)`."""
    changed = [name for name in other if other[name] != reference[name]]
    return ", ".join(f"{name} = {_text(other[name])} ({_text(reference[name])})" for name in changed)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _interval(low: float, high: float) -> str | None:
    return None if pd.isna(low) else f"{low:.2f} to {high:.2f}"
