"""Measures of roles over training, drawn like learning curves (analysis.measures.milestones).

Step 0 is the untrained network. The raw observations of the first arm give a further curve, a ceiling. The measure
`probe_action_gain` has no such curve, because it is the gain over raw observations.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import style
from analysis.figures.curves import draw, panels
from analysis.statistics import student_interval
from analysis.summarise import facts_of

__all__ = ["data", "draw", "panels"]

CURVE = ["map", "metric", "arm"]
SAMPLE = "recorded greedy episodes of each saved policy, step 0: untrained; accuracy gain over raw observations"


def data(summary: Path, specification: dict[str, Any], metrics: Sequence[str]) -> pd.DataFrame:
    """Return a frame in the form of `curves.data`, with the `measures` of the specification as metrics."""
    first, *_ = arms = specification["arms"]
    values = pd.read_parquet(summary / "roles.parquet").rename(columns={"measure": "metric"})
    observed = values["reference"] == "observations"
    shown = {"map": specification["maps"], "metric": specification["measures"], "arm": arms}
    asked = values.isin(shown)[list(shown)].all(axis=1) & (
        (values["reference"] == "roles") | (observed & (values["arm"] == first))
    )
    values = values[asked].assign(arm=values["arm"].where(~observed, style.OBSERVATIONS))
    parts = []
    for (map_name, metric, arm), cell in values.groupby(CURVE, sort=False):
        seeds = cell.pivot_table(index="step", columns="seed", values="value").add_prefix("seed")
        interval = student_interval(seeds.to_numpy(float).T)
        statistics = {"centre": interval.mean, "low": interval.low, "high": interval.high, "n": interval.n}
        parts.append(seeds.assign(**statistics, map=map_name, metric=metric, arm=arm).reset_index())
    points = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*CURVE, "step", "n"])
    order = pd.MultiIndex.from_product([*(shown | {"arm": [*arms, style.OBSERVATIONS]}).values()], names=CURVE)
    facts = facts_of(summary, pd.read_parquet(summary / "runs.parquet").query("arm in @arms"), ["map"])
    frame = order.to_frame(index=False).merge(points, "left", CURVE).merge(facts, "left", "map")
    frame = frame.assign(n=frame["n"].fillna(0).astype(int), statistic="mean", sample=SAMPLE)
    observed = frame["map"].isin(frame.loc[(frame["n"] > 0) & (frame["arm"] == first), "map"])
    return frame[observed | (frame["arm"] != style.OBSERVATIONS)]  # missing runs have no observations either
