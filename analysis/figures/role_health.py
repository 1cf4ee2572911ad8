"""Diagnostics of the role losses over training (roma.learners.roma.columns), drawn like learning curves.

The measures are the recorded columns and quotients of two columns.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.figures.curves import draw, panels
from analysis.statistics import student_interval
from analysis.summarise import facts_of
from roma.learners.roma.columns import ROLE_COLUMNS
from roma.support.errors import unknown

__all__ = ["data", "draw", "panels"]

CURVE = ["map", "metric", "arm"]
QUOTIENTS = {
    "variance_ratio": ("posterior_variance", "role_variance"),
    "gradient_share_identifiability": ("role_gradient_identifiability", "role_gradient_td"),
    "gradient_share_specialisation": ("role_gradient_specialisation", "role_gradient_td"),
}
SAMPLE = (
    "8 episodes of the batch before each test, all agents and pairs, including dead agents; no quotient where $L_{TD}$ "
    "has no gradient"
)


def with_quotients(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with QUOTIENTS as further columns, missing where the lower column is zero.

    The gradient of L_TD is zero where no unit of the decoder is active, so that roles do not reach the utilities.
    """
    parts = {name: (table[upper], table[lower]) for name, (upper, lower) in QUOTIENTS.items()}
    return table.assign(**{name: upper / lower.where(lower != 0) for name, (upper, lower) in parts.items()})


def data(summary: Path, specification: dict[str, Any], metrics: Sequence[str]) -> pd.DataFrame:
    """Return a frame in the form of `curves.data`, with the `measures` of the specification as metrics.

    Raises:
        UserError: A measure is unknown.
    """
    maps, arms, measures = specification["maps"], specification["arms"], specification["measures"]
    for measure in measures:
        if measure not in (*ROLE_COLUMNS, *QUOTIENTS):
            raise unknown("measure of the role losses", measure, [*ROLE_COLUMNS, *QUOTIENTS])
    table = with_quotients(pd.read_parquet(summary / "role_health.parquet"))
    table = table[table["map"].isin(maps) & table["arm"].isin(arms)]
    values = table.melt(["map", "arm", "seed", "step"], measures, var_name="metric").dropna(subset="value")
    parts = [pd.DataFrame(columns=[*CURVE, "step", "centre", "low", "high", "n"])]
    for (map_name, metric, arm), cell in values.groupby(CURVE, sort=False):
        seeds = cell.pivot_table(index="step", columns="seed", values="value").add_prefix("seed")
        interval = student_interval(seeds.to_numpy(float).T)
        statistics: dict[str, Any] = {
            "centre": interval.mean,
            "low": interval.low,
            "high": interval.high,
            "n": interval.n,
        }
        statistics |= {"map": map_name, "metric": metric, "arm": arm}
        parts.append(seeds.assign(**statistics).reset_index())
    order = pd.MultiIndex.from_product([maps, measures, arms], names=CURVE).to_frame(index=False)
    facts = facts_of(summary, pd.read_parquet(summary / "runs.parquet").query("arm in @arms"), ["map"])
    frame = order.merge(pd.concat(parts[1:] or parts), "left", CURVE).merge(facts, "left", "map")
    return frame.assign(n=frame["n"].fillna(0).astype(int), statistic="mean", sample=SAMPLE)
