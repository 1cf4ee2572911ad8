"""Final performance aggregated over maps (Agarwal et al. 2021): interquartile mean, improvement, performance profile.

All statistics use the maps and seeds that every arm has, with percentile intervals by stratified bootstrap. They equal
the results of rliable 1.2.0 (tests/golden/rliable).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from analysis import style
from analysis.claims.evidence import FINAL, Evidence
from analysis.statistics import (
    FEWEST_SEEDS,
    Floats,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
    stratified_bootstrap,
)

SEED, REPETITIONS = 0, 2000  # of the resampling
IQM, IMPROVEMENT, PROFILE = STATISTICS = ("interquartile mean", "probability of improvement", "performance profile")
THRESHOLDS = np.linspace(0, 1, 41)
COLUMNS = ["statistic", "arm", "threshold", "value", "low", "high"]


def data(summary: Path, specification: dict[str, Any], metrics: Sequence[str]) -> pd.DataFrame:
    """Return COLUMNS and the facts of the runs: maps, seeds, engine, scale and the arms that are left out.

    Args:
        summary: Folder of the tidy tables.
        specification: Entry of the figure list; the first of its `arms` is the one that the others are compared with.
        metrics: Not used.
    """
    evidence = Evidence.read(summary)
    maps, seeds, arms = common(evidence, specification["arms"])
    scores = {arm: matrix(evidence, arm, maps, seeds) for arm in arms}
    rows = [row for arm in arms for row in _rows(arm, scores[arm], scores[arms[0]])]
    facts: dict[str, Any] = {"maps": ", ".join(maps), "seeds": len(seeds)}
    facts |= {"engine": evidence.engine, "scale": evidence.scale}
    absent = [style.label(arm) for arm in specification["arms"] if arm not in arms]
    frame = pd.DataFrame(rows, columns=COLUMNS).assign(
        **facts, absent=", ".join(absent), reference=specification["arms"][0]
    )
    frame.attrs["origin"] = evidence.origin
    return frame


def common(evidence: Evidence, arms: Sequence[str]) -> tuple[list[str], list[int], list[str]]:
    """Return the maps and seeds that all compared arms share, and those arms.

    An arm is compared if it has at least FEWEST_SEEDS seeds on some map.
    """
    runs = {cell: set(evidence.values(*cell, FINAL, evidence.total_steps(*cell)).index) for cell in evidence.cells}
    enough = {cell for cell, seeds in runs.items() if len(seeds) >= FEWEST_SEEDS}
    known = [arm for arm in arms if any(arm == each for _, each in enough)]
    names = dict.fromkeys(name for name, _ in evidence.cells)
    maps = [name for name in names if known and all((name, arm) in enough for arm in known)]
    seeds = set.intersection(*(runs[name, arm] for name in maps for arm in known)) if maps else set()
    return (maps, sorted(seeds), known) if len(seeds) >= FEWEST_SEEDS else ([], [], [])


def matrix(evidence: Evidence, arm: str, maps: Sequence[str], seeds: Sequence[int]) -> Floats:
    """Return the final win rates (seeds, maps) of an arm."""
    return np.stack([evidence.final_win_rates(name, arm).loc[list(seeds)].to_numpy(float) for name in maps], axis=1)


def _rows(arm: str, scores: Floats, reference: Floats) -> list[list[Any]]:
    def interval(*groups: Floats, statistic: Any) -> tuple[Any, Any, Any]:
        return stratified_bootstrap(groups, statistic, np.random.default_rng(SEED), REPETITIONS)

    rows = [[IQM, arm, np.nan, *interval(scores, statistic=interquartile_mean)]]
    if scores is not reference:
        rows.append([IMPROVEMENT, arm, np.nan, *interval(reference, scores, statistic=probability_of_improvement)])
    profile = interval(scores, statistic=lambda resampled: performance_profile(resampled, THRESHOLDS))
    return rows + [[PROFILE, arm, *point] for point in zip(THRESHOLDS, *profile, strict=True)]


def panels(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return no parts: the figure aggregates all maps."""
    return {}


def draw(frame: pd.DataFrame) -> Figure:
    """Draw a frame of `data`, without further computation."""
    style.apply()
    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    if frame.empty:
        figure.text(
            0.5, 0.5, f"no map has {FEWEST_SEEDS} seeds of every arm yet", ha="center", va="center", color="0.4"
        )
        return figure
    left, middle, right = figure.subplots(1, 3)
    parts = dict(list(frame.groupby("statistic")))
    reference = style.label(frame["reference"].iloc[0])
    draw_intervals(left, parts[IQM], "interquartile mean")
    if IMPROVEMENT in parts:
        draw_intervals(middle, parts[IMPROVEMENT], f"P({reference} wins more)")
        middle.axvline(0.5, color="0.4", linewidth=0.8, linestyle=":")
    else:
        middle.set_axis_off()
        words = f"no other arm has {FEWEST_SEEDS} seeds\non the same maps yet"
        middle.text(0.5, 0.5, words, ha="center", va="center", color="0.4", transform=middle.transAxes)
    for arm, curve in parts[PROFILE].groupby("arm", sort=False):
        line = style.line(str(arm))
        right.fill_between(
            curve["threshold"], curve["low"], curve["high"], color=line["color"], alpha=0.13, linewidth=0
        )
        right.step(curve["threshold"], curve["value"], where="post", label=style.label(str(arm)), **line)
    right.set(xlabel="final win rate above x", ylabel="share of runs", xlim=(0, 1), ylim=(-0.02, 1.02))
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 6), handlelength=2.6)
    lines = style.wrapped(notes(frame), figure.get_figwidth())
    figure.supxlabel("\n".join(lines), fontsize=6, color="0.25", linespacing=1.4)
    return figure


def draw_intervals(axis: Axes, part: pd.DataFrame, title: str) -> None:
    for place, row in enumerate(part.to_dict("records")):
        colour = style.line(row["arm"])["color"]
        axis.plot(
            [row["low"], row["high"]], [place, place], color=colour, linewidth=5, alpha=0.35, solid_capstyle="butt"
        )
        axis.plot(row["value"], place, "|", color=colour, markersize=11, markeredgewidth=1.8)
    axis.set_yticks(range(len(part)), [style.label(arm) for arm in part["arm"]])
    axis.set(xlim=(-0.02, 1.02), ylim=(len(part) - 0.5, -0.5), xlabel=title)
    axis.xaxis.set_major_locator(MultipleLocator(0.25))


def notes(frame: pd.DataFrame) -> list[str]:
    """Return the lines of the caption: engine, scale, seeds, maps, statistic and missing arms."""
    if frame.empty:
        return []
    first = frame.iloc[0]
    return [
        f"{frame.attrs['origin']}; {first['seeds']} seeds of every arm on {first['maps']}",
        "Final win rate: mean of the tests in the last tenth of a run; 95 % percentile intervals by stratified"
        f" bootstrap, {REPETITIONS} repetitions, seed {SEED}",
        *([f"Arms without runs or with too few seeds: {first['absent']}"] if first["absent"] else []),
    ]
