"""Measures of roles over training, drawn like learning curves (analysis.measures.milestones).

Step 0 is the network before training. Two further curves come from the first arm's runs: the raw observations, a
ceiling, and the mean of many untrained networks, a level. The measure `probe_action_gain` has no observations, because
it is the gain over them.
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
SAMPLE = "recorded greedy episodes of each saved policy; untrained networks: mean over all"


def data(summary: Path, specification: dict[str, Any], metrics: Sequence[str]) -> pd.DataFrame:
    """Return a frame in the form of `curves.data`, with the `measures` of the specification as metrics."""
    first, *_ = arms = specification["arms"]
    values = pd.read_parquet(summary / "roles.parquet").rename(columns={"measure": "metric"})
    shown = {"map": specification["maps"], "metric": specification["measures"], "arm": arms}
    values = values[values.isin(shown)[list(shown)].all(axis=1)]
    own = values[values["reference"] == "roles"]
    observed, untrained = (
        values[(values["reference"] == name) & (values["arm"] == first)].assign(arm=name) for name in style.REFERENCES
    )
    last = own.groupby("map")["step"].max()
    parts = [
        *(_curve(cell) for _, cell in pd.concat([own, observed]).groupby(CURVE, sort=False)),
        *(_level(networks, last[networks["map"].iloc[0]]) for _, networks in untrained.groupby(CURVE, sort=False)),
    ]
    points = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*CURVE, "step", "n"])
    drawn = [*arms, *style.REFERENCES]
    order = pd.MultiIndex.from_product([*(shown | {"arm": drawn}).values()], names=CURVE)
    facts = facts_of(summary, pd.read_parquet(summary / "runs.parquet").query("arm in @arms"), ["map"])
    frame = order.to_frame(index=False).merge(points, "left", CURVE).merge(facts, "left", "map")
    frame = frame.assign(n=frame["n"].fillna(0).astype(int), statistic="mean", sample=SAMPLE)
    return frame[(frame["n"] > 0) | ~frame["arm"].isin(style.REFERENCES)]


def _curve(cell: pd.DataFrame) -> pd.DataFrame:
    """Return the points of a curve, with each seed's values."""
    seeds = cell.pivot_table(index="step", columns="seed", values="value").add_prefix("seed")
    interval = student_interval(seeds.to_numpy(float).T)
    statistics = {"centre": interval.mean, "low": interval.low, "high": interval.high, "n": interval.n}
    return seeds.assign(**statistics, **cell[CURVE].iloc[0]).reset_index()


def _level(networks: pd.DataFrame, last: int) -> pd.DataFrame:
    """Return the two ends of a line from step 0 to the last step: mean and interval over networks."""
    interval = student_interval(networks["value"].to_numpy(float)[:, None])
    statistics = {"centre": interval.mean[0], "low": interval.low[0], "high": interval.high[0], "n": len(networks)}
    return pd.DataFrame({"step": [0, last]}).assign(**statistics, **networks[CURVE].iloc[0])
