"""Our win rates beside published ones, where protocol and length are the same.

published.csv has what sources print; the rest is computed from the released runs of SMAC v1.0.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import style
from analysis.claims.evidence import Evidence
from analysis.table import Table
from roma.scenarios import released_runs

PUBLISHED = Path(__file__).parents[2] / "published.csv"
TESTS = 5  # of which the published run data take the mean: those that end at the step compared
STEPS = 2_000_000  # environment steps at which the released runs are read
RELEASED = {"protocol": "smac_v1", "steps": STEPS, "grade": "A", "source": "SMAC v1.0 run data (arXiv:1902.04043v5)"}
SHOWN = [
    *("map", "algorithm", "ours", "our range", "seeds", "published", "published range", "seeds, published"),
    *("difference", "printed", "grade", "not compared"),
]


@cache
def published() -> pd.DataFrame:
    """Return columns protocol, steps, map, arm, statistic, value (a fraction), seeds, grade and source.

    Grade A is computed from the released runs on the maps of which a source prints win rates under their protocol: the
    mean of the five tests that end at this step, then the median, lowest and highest over runs. Grade B is printed.
    """
    printed = pd.read_csv(PUBLISHED, comment="#").assign(statistic="printed", grade="B")
    rows = []
    for map_name in printed.loc[printed["protocol"] == RELEASED["protocol"], "map"].unique():
        for arm in released_runs.algorithms(map_name):
            rates = released_runs.win_rates_before(map_name, arm, STEPS, TESTS)
            for statistic, value in (("median", np.median(rates)), ("lowest", rates.min()), ("highest", rates.max())):
                cell = {"map": map_name, "arm": arm, "statistic": statistic, "value": value, "seeds": len(rates)}
                rows.append(RELEASED | cell)
    return pd.concat([pd.DataFrame(rows), printed], ignore_index=True)


def table(summary: Path, specification: dict[str, Any]) -> Table:
    """A row for each published map and arm; without our numbers, and with the reason, where nothing matches."""
    evidence = Evidence(summary)
    rows = []
    for key, part in published().groupby(["protocol", "map", "arm"], sort=False):
        protocol, map_name, arm = map(str, key)
        values = part.set_index("statistic")["value"]
        first = part.iloc[0]
        row: dict[str, Any] = {"protocol": protocol, "map": map_name, "algorithm": style.label(arm), "arm": arm}
        row |= {
            "steps": int(first["steps"]),
            "not compared": mismatch(evidence, protocol, map_name, arm, int(first["steps"])),
        }
        row |= {name: values.get(name) for name in ("median", "lowest", "highest", "printed")}
        row |= {"seeds, published": first["seeds"], "grade": ", ".join(dict.fromkeys(part["grade"]))}
        row |= {"source": "; ".join(dict.fromkeys(part["source"]))}
        if row["not compared"] is None:
            ours = evidence.last_tests(map_name, arm, TESTS)
            row |= {"ours": float(ours.median()), "seeds": len(ours)}
            row |= {"our lowest": float(ours.min()), "our highest": float(ours.max())}
            row["final evaluation"] = float(evidence.evaluated_win_rates(map_name, arm).mean())
            if "median" in values:
                row["difference"] = row["ours"] - float(values["median"])
        rows.append(row)
    columns = ["protocol", "steps", "map", "algorithm", "arm", "seeds", "ours", "our lowest", "our highest"]
    columns += ["final evaluation", "median", "lowest", "highest", "seeds, published", "difference", "printed"]
    frame = pd.DataFrame(rows).reindex(columns=[*columns, "grade", "source", "not compared"])
    frame["seeds"] = frame["seeds"].astype("Int64")
    frame["our range"] = _range(frame["our lowest"], frame["our highest"])
    frame["published range"] = _range(frame["lowest"], frame["highest"])
    frame = frame.rename(columns={"median": "published"})
    compared = int(frame["not compared"].isna().sum())
    notes = [
        f"On the {evidence.engine}, scale {evidence.scale}; the published runs are of StarCraft II 4.6.2",
        f"Ours and published: median over seeds of the mean win rate of the last {TESTS} tests, and the range of seeds",
        "Difference: ours less the published",
        "Printed: what the source itself states, by a statistic of its own",
        "Grade A: computed from published run data; B: read in the source",
        f"Protocol and length match in {compared} of {len(frame)} rows"
        if compared
        else "Nothing published has the protocol and length of these runs",
        f"Sources: {'; '.join(dict.fromkeys(published()['source']))}",
    ]
    return Table(frame, notes, "map", SHOWN)


def mismatch(evidence: Evidence, protocol: str, map_name: str, arm: str, steps: int) -> str | None:
    """Why our runs of a cell cannot be held against published ones; None where they can."""
    if not evidence.has(map_name, arm):
        return "not run"
    our_steps, our_protocol = evidence.total_steps(map_name, arm), evidence.protocol(map_name, arm)
    if our_protocol != protocol:
        return f"protocol {our_protocol}, not {protocol}"
    if our_steps != steps:
        return f"{our_steps} steps, not {steps}"
    return None


def _range(low: pd.Series, high: pd.Series) -> list[str | None]:
    pairs = zip(low, high, strict=True)
    return [None if pd.isna(first) else f"{first:.2f} to {second:.2f}" for first, second in pairs]
