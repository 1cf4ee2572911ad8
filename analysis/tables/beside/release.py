"""Final win rates of the paper's equations and of the authors' released code, and probabilities of improvement."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import style
from analysis.claims.evidence import with_scales_beside
from analysis.claims.inference import contrast, moments
from analysis.statistics import FEWEST_SEEDS, Floats, probability_of_improvement, stratified_bootstrap
from analysis.table import Table
from analysis.tables.finals import between, summed_up

SEED = 0  # seed of the bootstrap
ALL = "all maps"
SHOWN = [
    *("map", "algorithm", "seeds", "win rate", "95 %", "difference", "difference, 95 %"),
    *("improvement", "improvement, 95 %"),
]


def table(summary: Path, specification: dict[str, Any]) -> Table:
    """Return one row per (map, arm), and a last group of rows pooled over maps.

    An arm is pooled if arm and reference have runs on every map, with the same number of seeds on each.

    Args:
        summary: Folder of the tidy tables.
        specification: Entry of the figure list, with `maps`, `arms`, the `reference` of all comparisons, and further
            scales in `beside`.
    """
    evidence = with_scales_beside(summary, specification)
    reference, arms, maps = specification["reference"], specification["arms"], specification["maps"]
    scores: dict[tuple[str, str], Floats] = {
        (name, arm): evidence.final_win_rates(name, arm).to_numpy(float)
        for name in maps
        for arm in (reference, *arms)
        if evidence.has(name, arm)
    }
    rows = []
    for name in maps:
        for arm in (reference, *arms):
            values, compared = scores.get((name, arm), np.empty(0)), scores.get((name, reference))
            row = {"map": name, "algorithm": style.label(arm), "arm": arm, **summed_up(values)}
            if arm != reference and len(values) and compared is not None:
                row |= _difference(values, compared) | _improvement(values[:, None], compared[:, None])
            rows.append(row)
    for arm in arms:
        sides = [[scores.get((name, side), np.empty(0)) for name in maps] for side in (arm, reference)]
        if all(len({len(values) for values in side}) == 1 and len(side[0]) for side in sides):
            first, second = (np.stack(side, axis=1) for side in sides)
            pooled = {"map": ALL, "algorithm": style.label(arm), "arm": arm, "seeds": len(first)}
            means = {"win rate": float(first.mean()), "difference": float(first.mean() - second.mean())}
            rows.append(pooled | means | _improvement(first, second))
    columns = ["map", "algorithm", "arm", "seeds", "win rate", "low", "high", "95 %", "lowest", "highest"]
    columns += [f"{name}{part}" for name in ("difference", "improvement") for part in ("", ", low", ", high", ", 95 %")]
    frame = pd.DataFrame(rows).reindex(columns=columns)
    missing = [f"{row['map']}/{row['arm']}" for row in rows if not row["seeds"]]
    notes = [
        evidence.origin,
        "Win rate: mean of the tests in the last tenth of a run, mean over seeds with Student t interval",
        f"Difference: mean win rate minus that of {style.label(reference)}, with Welch's t interval",
        f"Improvement: probability that a run of the arm has a higher win rate than a run of {style.label(reference)};"
        f" a tie counts one half; percentile interval by stratified bootstrap, seed {SEED}, of width zero if all runs"
        " of one side are above all runs of the other",
        *([f"Missing runs: {', '.join(missing)}"] if missing else []),
    ]
    return Table(frame, notes, "map", SHOWN)


def _difference(values: Floats, compared: Floats) -> dict[str, Any]:
    found: dict[str, Any] = {"difference": float(values.mean() - compared.mean())}
    if min(len(values), len(compared)) >= FEWEST_SEEDS:
        low, high = contrast([moments(values), moments(compared)], [1.0, -1.0]).interval()
        found |= {"difference, low": low, "difference, high": high, "difference, 95 %": between(low, high)}
    return found


def _improvement(values: Floats, compared: Floats) -> dict[str, Any]:
    """Return the probability of improvement for win rates (seeds, maps), with an interval if seeds suffice."""
    if min(len(values), len(compared)) < FEWEST_SEEDS:
        return {"improvement": probability_of_improvement(values, compared)}
    rng = np.random.default_rng(SEED)
    found = stratified_bootstrap([values, compared], probability_of_improvement, rng)
    return {
        "improvement": found.value,
        "improvement, low": found.low,
        "improvement, high": found.high,
        "improvement, 95 %": between(found.low, found.high),
    }
