"""Validation of the engine: win rates of QMIX, VDN and IQL under SMAC's protocol beside the runs released with SMAC."""

from pathlib import Path
from typing import Any

import pandas as pd

from analysis import style
from analysis.claims import validity
from analysis.claims.evidence import Evidence
from analysis.table import Table
from roma.support.files import DIGEST_LENGTH, file_digest

EARLIER = Path("docs/learning/engine_1_curves.csv")  # runs that ended before the step at which maps are judged
SHOWN = ["map", "algorithm", "steps", "released", "released runs", "ours", "our runs", "difference", "map's standing"]


def table(summary: Path, specification: dict[str, Any]) -> Table:
    """Return one row per map and arm with released runs, one per map without any, and the shorter runs of engine 1.

    Args:
        summary: Folder of the tidy tables.
        specification: Entry of the figure list, with `maps`.
    """
    evidence = Evidence.read(summary)
    standings = validity.standings(evidence)
    levels = validity.levels(evidence).assign(steps=validity.STEPS)
    levels = levels[levels["map"].isin(specification["maps"])]
    without = [name for name in specification["maps"] if standings[name] is validity.Standing.NO_PUBLIC_RUN]
    frame = pd.concat([levels, pd.DataFrame({"map": without}), _earlier(specification["maps"])], ignore_index=True)
    frame["map's standing"] = [standings[name].value for name in frame["map"]]
    frame.loc[frame["steps"].notna() & (frame["steps"] != validity.STEPS), "map's standing"] = None
    frame["algorithm"] = [None if pd.isna(arm) else style.label(arm) for arm in frame["arm"]]
    places = {name: place for place, name in enumerate(specification["maps"])}
    frame = frame.sort_values("map", key=lambda column: column.map(places), kind="stable")
    counts = {"released runs": "Int64", "our runs": "Int64", "steps": "Int64"}
    notes = [
        evidence.origin,
        f"Released and ours: median over runs of the mean win rate of the last {validity.TESTS} tests, protocol"
        f" {validity.PROTOCOL}",
        f"A map fails if the win rate of an arm is more than {100 * validity.MARGIN:.0f} points from the released"
        f" median, or if QMIX does not lead an arm that it leads by {100 * validity.LEAD:.0f} points in the released"
        " runs",
        f"Rows with fewer than {validity.STEPS} steps: recorded runs of engine 1 (docs/learning.md, digest"
        f" {file_digest(EARLIER)[:DIGEST_LENGTH]}), not used for the standing of a map",
    ]
    return Table(frame.astype(counts)[[*validity.COLUMNS, "algorithm", "steps", "map's standing"]], notes, "map", SHOWN)


def _earlier(maps: list[str]) -> pd.DataFrame:
    """Return the last step of the recorded curves of each map and arm, in the columns of `validity.levels`."""
    curves = pd.read_csv(EARLIER)
    last = curves.loc[curves.groupby(["map", "algorithm"])["step"].idxmax()]
    names = {
        "algorithm": "arm",
        "step": "steps",
        "released_runs": "released runs",
        "released_win_rate_median": "released",
        "ours_runs": "our runs",
        "ours_win_rate_median": "ours",
    }
    rows = last.rename(columns=names)[["map", *names.values()]]
    return rows[rows["map"].isin(maps)].assign(difference=rows["ours"] - rows["released"])
