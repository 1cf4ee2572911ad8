"""Effect of single settings on the final win rate: each arm beside the reference from which it differs."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.claims.inference import contrast, moments
from analysis.statistics import FEWEST_SEEDS, student_interval
from analysis.summarise import joined, origin, scale_of
from analysis.table import Table

SHOWN = ["map", "setting", "seeds", "win rate", "win rate, 95 %", "difference", "difference, 95 %"]


def table(summary: Path, specification: dict[str, Any]) -> Table:
    """Return one row per (map, arm); an arm without runs has a row without numbers.

    Args:
        summary: Folder of the tidy tables.
        specification: Entry of the figure list, with `maps`, `arms` and the `reference`.
    """
    settings = {
        cell: dict(zip(part["setting"], map(json.loads, part["value"]), strict=True))
        for cell, part in pd.read_parquet(summary / "settings.parquet").groupby(["map", "arm"])
    }
    finals = pd.read_parquet(summary / "finals.parquet").groupby(["map", "arm"])["final_win_rate"]
    scores = {cell: values.to_numpy(float) for cell, values in finals}
    rows, reference = [], specification["reference"]
    for map_name in specification["maps"]:
        for arm in (reference, *specification["arms"]):
            rows.append({"map": map_name, "arm": arm, "setting": arm, "seeds": 0})
            if (map_name, arm) not in scores:
                continue
            values, compared = scores[map_name, arm], scores.get((map_name, reference))
            of_arm = student_interval(values[:, None], bounds=(0.0, 1.0))
            rows[-1] |= {"seeds": len(values), "win rate": float(of_arm.mean[0])}
            rows[-1] |= {"low": float(of_arm.low[0]), "high": float(of_arm.high[0])}
            if arm == reference:
                rows[-1]["setting"] = "reference"
            elif compared is not None:
                rows[-1]["setting"] = _change(settings[map_name, reference], settings[map_name, arm])
                rows[-1] |= {"difference": values.mean() - compared.mean()}
                if min(len(values), len(compared)) >= FEWEST_SEEDS:
                    low, high = contrast([moments(values), moments(compared)], [1.0, -1.0]).interval()
                    rows[-1] |= {"difference, low": low, "difference, high": high}
    numbers = ["win rate", "low", "high", "difference", "difference, low", "difference, high"]
    frame = pd.DataFrame(rows).reindex(columns=["map", "arm", "setting", "seeds", *numbers])
    frame["win rate, 95 %"] = [_interval(*pair) for pair in zip(frame["low"], frame["high"], strict=True)]
    frame["difference, 95 %"] = [
        _interval(*pair) for pair in zip(frame["difference, low"], frame["difference, high"], strict=True)
    ]
    missing = [f"{row['map']}/{row['arm']}" for row in rows if not row["seeds"]]
    runs = pd.read_parquet(summary / "runs.parquet")
    notes = [
        f"{origin(runs, scale_of(summary))}, {joined(runs['total_steps'])} steps",
        "Win rate: mean of the tests in the last tenth of a run, mean over seeds with Student t interval",
        "Difference: mean win rate minus that of the reference, with Welch's t interval, not corrected for multiple"
        " comparisons",
        *([f"Missing runs: {', '.join(missing)}"] if missing else []),
    ]
    return Table(frame, notes, "map", SHOWN)


def _change(reference: dict[str, Any], other: dict[str, Any]) -> str:
    """Format the settings that differ, each as `setting = value (reference's value)`."""
    changed = [name for name in other if other[name] != reference[name]]
    return ", ".join(f"{name} = {_text(other[name])} ({_text(reference[name])})" for name in changed)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _interval(low: float, high: float) -> str | None:
    return None if pd.isna(low) else f"{low:.2f} to {high:.2f}"
