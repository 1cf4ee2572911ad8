"""Our win rates beside published win rates with the same protocol and total steps.

published.csv holds win rates printed in their sources; the others are computed from the released runs of SMAC v1.0.
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
TESTS = 5  # tests averaged, the last one at the step of comparison
STEPS = 2_000_000  # environment step at which the released runs are read
RELEASED = {"protocol": "smac_v1", "steps": STEPS, "grade": "A", "source": "SMAC v1.0 run data (arXiv:1902.04043v5)"}
SHOWN = [
    *("map", "algorithm", "ours", "our range", "seeds", "published", "published range", "seeds, published"),
    *("difference", "printed", "grade", "not compared"),
]


@cache
def published() -> pd.DataFrame:
    """Return published win rates: columns protocol, steps, map, arm, statistic, value, seeds, grade and source.

    Grade A is computed from the released runs, on the maps for which a source prints win rates under the same protocol:
    the mean of the last five tests up to STEPS, then median, lowest and highest over runs. Grade B is printed in the
    source. Values are fractions.
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
    """Return one row per published map and arm; a row without comparable runs of ours gives the reason.

    Args:
        summary: Folder of the tidy tables.
        specification: Not used.
    """
    evidence = Evidence.read(summary)
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
        f"{evidence.origin}; published runs on StarCraft II 4.6.2",
        f"Ours and published: median over seeds of the mean win rate of the last {TESTS} tests, with the range over"
        " seeds",
        "Difference: ours minus published",
        "Printed: value stated in the source, with the source's own statistic",
        "Grade A: computed from published run data; grade B: printed in the source",
        f"Protocol and total steps match in {compared} of {len(frame)} rows"
        if compared
        else "No published result has the protocol and total steps of these runs",
        f"Sources: {'; '.join(dict.fromkeys(published()['source']))}",
    ]
    return Table(frame, notes, "map", SHOWN)


def mismatch(evidence: Evidence, protocol: str, map_name: str, arm: str, steps: int) -> str | None:
    """Return why our runs cannot be compared with published ones; None if they can.

    Args:
        evidence: Our runs.
        protocol: Protocol of the published runs.
        map_name: Name of the map.
        arm: Name of the arm.
        steps: Total steps of the published runs.
    """
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
