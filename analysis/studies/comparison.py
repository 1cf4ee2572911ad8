"""A reader's arm beside runs that ship: learning curves, interquartile means and probabilities of improvement on a map.

Arms are compared by the mean win rate of the tests in the last tenth of the steps that all of them have reached. Every
seed of an arm counts, however many the others have.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis import style, summarise
from analysis import table as tables
from analysis.claims.evidence import FINAL, Evidence
from analysis.figures import curves
from analysis.figures.aggregates import IMPROVEMENT, IQM, REPETITIONS, SEED, draw_intervals
from analysis.statistics import (
    FEWEST_SEEDS,
    Floats,
    interquartile_mean,
    probability_of_improvement,
    stratified_bootstrap,
)
from analysis.tables.finals import between, summed_up
from roma.runs.directory import RunDirectory
from roma.support.files import atomic_path

METRICS = ("test_battle_won_mean", "test_return_mean")
CURVES, AGGREGATES, TABLE = "curves", "aggregates", "comparison"  # names of files
SHOWN = ["arm", "seeds", "win rate", "95 %", IQM, f"{IQM}, 95 %", "improvement", "improvement, 95 %"]


@dataclass(frozen=True)
class ComparedRun(RunDirectory):
    """A run directory anywhere, known by its configuration and by the arm that it is compared as."""

    name: str

    @property
    def map(self) -> str:
        """The map, by the configuration."""
        return self.config.map

    @property
    def arm(self) -> str:
        """The name of the reader's arm."""
        return self.name

    @property
    def seed(self) -> int:
        """The seed, by the configuration."""
        return self.config.seed


def write_summary(runs: Sequence[RunDirectory], summary: Path) -> None:
    """Write the tidy tables that a comparison is drawn from.

    Args:
        runs: Finished runs of one map. Some have an evaluation.
        summary: The folder of the tables.
    """
    curve_table = summarise.curves(runs)
    made = {
        "runs": summarise.described(runs),
        "plan": summarise.plan(runs, None, ""),
        "curves": curve_table,
        "intervals": summarise.intervals(curve_table),
        "evaluations": summarise.evaluations(runs),
    }
    summarise.write(made, summary)


def data(summary: Path, map_name: str, arms: Sequence[str]) -> pd.DataFrame:
    """Return what is drawn beside the curves, a row for each statistic of each arm.

    Columns statistic, arm, seeds, value, low, high (NaN below FEWEST_SEEDS), step, map, engine and scale.

    Args:
        summary: The folder of the tables.
        map_name: The map.
        arms: The reader's arm, which is compared with each of the others.
    """
    evidence = Evidence.read(summary)
    step = min(evidence.total_steps(map_name, arm) for arm in arms)
    scores = {arm: evidence.values(map_name, arm, FINAL, step).to_numpy(float)[:, None] for arm in arms}
    rows = []
    for arm in arms:
        mean = _bootstrapped([scores[arm]], interquartile_mean)
        rows.append({"statistic": IQM, "arm": arm, "seeds": len(scores[arm]), **mean})
        if arm != arms[0]:
            better = _bootstrapped([scores[arms[0]], scores[arm]], probability_of_improvement)
            rows.append({"statistic": IMPROVEMENT, "arm": arm, "seeds": len(scores[arm]), **better})
    return pd.DataFrame(rows).assign(step=step, map=map_name, engine=evidence.engine, scale=evidence.scale)


def _bootstrapped(groups: Sequence[Floats], statistic: Any) -> dict[str, float]:
    """Return a statistic of groups (seeds, 1), with its interval if all have enough seeds."""
    if min(map(len, groups)) < FEWEST_SEEDS:
        return {"value": statistic(*groups), "low": np.nan, "high": np.nan}
    found = stratified_bootstrap(groups, statistic, np.random.default_rng(SEED), REPETITIONS)
    return {name: float(value) for name, value in found._asdict().items()}


def draw(frame: pd.DataFrame) -> Figure:
    """Return the picture of a frame of `data`. Nothing is computed here."""
    style.apply()
    arms = frame["arm"].unique()
    figure = Figure(figsize=(6.4, 1.3 + 0.22 * len(arms)), layout="constrained")
    left, right = figure.subplots(1, 2)
    parts = dict(list(frame.groupby("statistic")))
    draw_intervals(left, parts[IQM], f"{IQM} of win rates")
    draw_intervals(right, parts[IMPROVEMENT], f"P({style.label(arms[0])} wins more)")
    right.axvline(0.5, color="0.4", linewidth=0.8, linestyle=":")
    lines = style.wrapped(notes(frame), figure.get_figwidth())
    figure.supxlabel("\n".join(lines), fontsize=6, color="0.25", linespacing=1.4)
    return figure


def notes(frame: pd.DataFrame) -> list[str]:
    """Return what a reader must know, a line each."""
    first = frame.iloc[0]
    seeds = frame[frame["statistic"] == IQM]
    counted = ", ".join(f"{style.label(row['arm'])} {row['seeds']}" for row in seeds.to_dict("records"))
    few = f"; no interval below {FEWEST_SEEDS} seeds" if seeds["seeds"].min() < FEWEST_SEEDS else ""
    return [
        f"{first['engine']}; {first['map']}; seeds: {counted}",
        f"Win rates: of a run the mean of the tests in the last tenth of {first['step']:,} environment steps",
        f"95 % percentile intervals by bootstrap over seeds, {REPETITIONS} repetitions, seed {SEED}{few}",
    ]


def table(summary: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each arm of a frame of `data`: its win rates over seeds beside both statistics.

    `improvement` is the probability that a run of the reader's arm wins more than one of this arm, ties half.
    """
    evidence = Evidence.read(summary)
    rows = []
    for arm, found in frame.groupby("arm", sort=False):
        first = found.iloc[0]
        row = {"arm": arm, "steps compared": first["step"]}
        row |= summed_up(evidence.values(first["map"], str(arm), FINAL, int(first["step"])).to_numpy(float))
        for statistic, name in ((IQM, IQM), (IMPROVEMENT, "improvement")):
            part = found[found["statistic"] == statistic]
            value, low, high = part[["value", "low", "high"]].iloc[0] if len(part) else (np.nan,) * 3
            row |= {name: value, f"{name}, low": low, f"{name}, high": high, f"{name}, 95 %": between(low, high)}
        rows.append(row)
    return pd.DataFrame(rows)


def write(summary: Path, map_name: str, arms: Sequence[str], out: Path) -> pd.DataFrame:
    """Draw a comparison, and write what is drawn as CSV; return the frame of `table`.

    Args:
        summary: The folder of the tables, see `write_summary`.
        map_name: The map.
        arms: The reader's arm, then the others.
        out: The folder of the files made: CURVES and AGGREGATES as PNG, PDF and CSV, TABLE as CSV, Markdown and LaTeX.
    """
    of_curves = curves.data(summary, {"maps": [map_name], "arms": list(arms)}, METRICS)
    of_aggregates = data(summary, map_name, arms)
    out.mkdir(parents=True, exist_ok=True)
    for name, frame, figure in (
        (CURVES, of_curves, curves.draw(of_curves)),
        (AGGREGATES, of_aggregates, draw(of_aggregates)),
    ):
        style.save(figure, out / name)
        with atomic_path(out / f"{name}.csv") as beside:
            frame.to_csv(beside, index=False)
    compared = table(summary, of_aggregates)
    improvement = f"Improvement: the probability that a run of {style.label(arms[0])} wins more, ties half"
    caption = [f"{style.label(arms[0])} beside runs that ship", *notes(of_aggregates), improvement]
    tables.write(compared, out / TABLE, ". ".join(caption) + ".", shown=SHOWN)
    return compared
