"""Learning curves: metrics of the greedy tests against environment steps, one panel per map (figures 4, 5, 6 and 9)."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, MultipleLocator, NullLocator

from analysis import style
from analysis.statistics import FEWEST_SEEDS
from analysis.summarise import CELL, facts_of, joined
from roma.support.errors import unknown

COLUMNS = 3  # panels side by side
LABEL_CHARACTERS_PER_INCH = 12  # of the legend
LINE_INCHES = 0.6  # width of a legend line with the space around line and label
LEGEND_ROW_INCHES = 0.18
CAPTION_LINES, CAPTION_LINE_INCHES = 3, 0.12  # lines that a figure has room for, and the height of each further one
# Limits of an axis and the distance of its ticks. SMAC scales rewards so that the return of a won episode is 20.
SCALES = {
    "test_battle_won_mean": (0.0, 1.0, 0.25),
    "test_return_mean": (0.0, 20.0, 5.0),
    "sigma": (0.0, 1.0, 0.25),
    "mean_share": (0.0, 1.0, 0.25),
    "mean_share_agents": (0.0, 1.0, 0.25),
    "information_q05": (0.0, 1.0, 0.25),
    "information_high_share": (0.0, 1.0, 0.25),
    "dissimilarity_between_types": (0.0, 1.0, 0.25),
    "dissimilarity_within_types": (0.0, 1.0, 0.25),
}
ON_THE_AXIS = 0.05  # share of a metric's fixed scale below which a curve cannot be told from the axis
LOGARITHMIC = {"variance_ratio", "role_divergence", "gradient_share_identifiability", "gradient_share_specialisation"}
FACTS = ["engine", "scale", "protocol", "sample", "inputs", "statistic"]
SEEDS, AROUND, CENTRE = 1.5, 1.8, 2.5  # zorder; the seeds of an arm must not hide the mean of another arm
NOTE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}  # ground of words that curves may cross
HALO = [withStroke(linewidth=2.3, foreground="white")]
# Columns of the table `intervals` that become the line and the band around it.
STATISTICS = {
    "mean": {"mean": "centre", "low": "low", "high": "high"},
    "median": {"median": "centre", "lower_quartile": "low", "upper_quartile": "high"},
}


def data(summary: Path, specification: dict[str, Any], metrics: Sequence[str]) -> pd.DataFrame:
    """Return one row per point: columns map, arm, metric, step, centre, low, high, n, seed<k>..., and FACTS.

    Maps, arms and metrics are in the order drawn. An arm without runs has one row per map, with n = 0.

    Args:
        summary: Folder of the tidy tables.
        specification: Entry of the figure list. Its `statistic` is `mean` (with Student t interval, the default) or
            `median` (with quartiles).
        metrics: Metrics to draw, one above the other.

    Raises:
        UserError: The statistic is unknown.
    """
    order = pd.MultiIndex.from_product(
        [specification["maps"], metrics, specification["arms"]], names=["map", "metric", "arm"]
    ).to_frame(index=False)
    if "cells" in specification:
        order = order.merge(pd.DataFrame(specification["cells"], columns=CELL))
    statistic = specification.get("statistic", "mean")
    if statistic not in STATISTICS:
        raise unknown("statistic", statistic, STATISTICS)
    drawn = STATISTICS[statistic]
    points = pd.read_parquet(summary / "intervals.parquet")[["map", "arm", "metric", "step", *drawn, "n"]]
    seeds = (
        pd.read_parquet(summary / "curves.parquet")
        .melt(["map", "arm", "seed", "step"], metrics, var_name="metric")
        .pivot_table(index=["map", "metric", "arm", "step"], columns="seed", values="value", aggfunc="last")
        .add_prefix("seed")
        .reset_index()
    )
    runs = pd.read_parquet(summary / "runs.parquet")
    facts = facts_of(summary, runs, CELL).merge(runs[[*CELL, "test_episodes"]].drop_duplicates(CELL))
    facts = facts.assign(sample=facts["test_episodes"].astype(str) + " greedy episodes per test", statistic=statistic)
    facts = facts[[*CELL, *FACTS]]
    frame = order.merge(points.rename(columns=drawn), "left").merge(seeds, "left").merge(facts, "left")
    return frame.assign(n=frame["n"].fillna(0).astype(int))


def panels(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each map, which are also drawn as a single file."""
    return {str(name): part for name, part in frame.groupby("map", sort=False)}


def draw(frame: pd.DataFrame) -> Figure:
    """Draw a frame of `data` or one of its panels, without further computation."""
    style.apply()
    maps, metrics = list(frame["map"].unique()), list(frame["metric"].unique())
    columns = min(COLUMNS, len(maps))
    blocks = -(-len(maps) // columns)
    width = 2.3 * columns if columns > 1 else 3.4
    figure = Figure(figsize=(width, 0.9 + blocks * (0.2 + 1.4 * len(metrics))), layout="constrained")
    axes = figure.subplots(blocks * len(metrics), columns, squeeze=False)
    for place in range(blocks * columns):
        block, column = divmod(place, columns)
        stack = list(axes[block * len(metrics) : (block + 1) * len(metrics), column])
        if place < len(maps):
            _draw_map(stack, frame[frame["map"] == maps[place]], metrics)
        else:
            for axis in stack:
                axis.set_axis_off()
        if column == 0:
            for axis, metric in zip(stack, metrics, strict=True):
                axis.set_ylabel(style.METRICS[metric])
        else:
            for axis in stack:
                axis.tick_params(labelleft=False)
        if place + columns >= len(maps):
            stack[-1].set_xlabel("environment steps")
    for row, metric in enumerate(metrics):
        _share_scale(list(axes[row :: len(metrics)].flat)[: len(maps)], metric)
    figure.align_ylabels(axes[:, 0])
    _draw_caption(figure, frame)
    return figure


def _draw_map(stack: Sequence[Axes], frame: pd.DataFrame, metrics: Sequence[str]) -> None:
    """Draw one map: its metrics one above the other, on the same steps."""
    stack[0].set_title(frame["map"].iloc[0])
    for axis, metric in zip(stack, metrics, strict=True):
        part = frame[(frame["metric"] == metric) & (frame["n"] > 0)]
        for arm, curve in reversed(list(part.groupby("arm", sort=False))):  # the first arm is drawn on top
            _draw_arm(axis, str(arm), curve)
        if part.empty:
            words = "does not apply to this map" if frame["n"].any() else _not_run(frame)
            axis.text(0.5, 0.5, words, ha="center", va="center", color="0.4", fontsize=7, transform=axis.transAxes)
        elif words := _on_the_axis(_of_runs(part), metric):
            note: dict[str, Any] = {"color": "0.35", "fontsize": 6, "zorder": CENTRE + 0.1, "bbox": NOTE}
            axis.text(0.03, 0.96, words, va="top", transform=axis.transAxes, **note)
        axis.set(xlabel="", ylabel="")
        axis.set_xlim(left=0)
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]) if frame["n"].any() else NullLocator())
        if axis is not stack[-1]:
            axis.tick_params(labelbottom=False)


def _not_run(frame: pd.DataFrame) -> str:
    """Return the words of a panel without runs: the arms that are missing."""
    return _words("not run yet", frame["arm"].unique(), 26)


def _on_the_axis(part: pd.DataFrame, metric: str) -> str:
    """Return the words that name the arms whose curves lie on the axis, where they hide each other; else nothing."""
    low, high, _ = SCALES.get(metric, (0.0, 0.0, 0.0))
    largest = part["centre"].abs().groupby(part["arm"], sort=False).max()
    lying = largest[largest <= ON_THE_AXIS * (high - low)]
    if low != 0 or lying.empty:
        return ""
    return _words("always 0" if lying.max() == 0 else f"never above {lying.max():.2g}", lying.index, 34)


def _words(what: str, arms: Iterable[str], width: int) -> str:
    """Return what is said of arms and their labels in lines of at most this many characters of a label's source."""
    lines = [f"{what}:"]
    for name in map(style.label, arms):
        separate = "" if lines[-1].endswith(":") else ", "
        if len(lines[-1]) + len(name) > width:
            lines[-1] += separate.strip()
            lines.append(name)
        else:
            lines[-1] += (separate or " ") + name
    return "\n".join(lines)


def _share_scale(panels_of_metric: Sequence[Axes], metric: str) -> None:
    """Give all panels of a metric the same axis, which covers the metric's fixed scale, if any, and all values."""
    if metric in LOGARITHMIC:
        _share_logarithms(panels_of_metric)
        return
    ends = [
        end for axis in panels_of_metric for end in axis.dataLim.intervaly if np.isfinite(axis.dataLim.intervaly).all()
    ]
    low, high, distance = SCALES.get(metric, (np.inf, -np.inf, 0.0))
    low, high = min([low, *ends]), max([high, *ends])
    if low < high:
        margin = 0.03 * (high - low)
        for axis in panels_of_metric:
            axis.set_ylim(low - margin, high + margin)
            axis.yaxis.set_major_locator(
                MultipleLocator(distance) if distance else MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
            )
            axis.yaxis.set_major_formatter("{x:g}")


def _share_logarithms(panels_of_metric: Sequence[Axes]) -> None:
    """Give all panels the same logarithmic axis, from the smallest to the largest positive value of any line."""
    drawn = [np.asarray(line.get_ydata(), float) for axis in panels_of_metric for line in axis.lines]
    positive = [values[values > 0] for values in drawn if (values > 0).any()]
    if not positive:
        return
    low, high = min(values.min() for values in positive), max(values.max() for values in positive)
    margin = max((high / low) ** 0.03, 1.05)
    for axis in panels_of_metric:
        axis.set_yscale("log")
        axis.set_ylim(low / margin, high * margin)
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 100 * low else (1.0, 2.0, 5.0)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_locator(NullLocator())


def _draw_arm(axis: Axes, arm: str, curve: pd.DataFrame) -> None:
    line = style.line(arm)
    if curve["n"].max() > 1:
        for _, values in curve.filter(regex=r"^seed\d+$").items():
            recorded = values.notna()
            if recorded.any():
                thin: dict[str, Any] = {"color": line["color"], "linewidth": 0.4, "alpha": 0.25, "zorder": SEEDS}
                axis.plot(curve.loc[recorded, "step"], values[recorded], **thin)
    if curve["low"].notna().any():
        around: dict[str, Any] = {"color": line["color"], "alpha": 0.13, "linewidth": 0, "zorder": AROUND}
        axis.fill_between(curve["step"], curve["low"], curve["high"], **around)
    axis.plot(curve["step"], curve["centre"], zorder=CENTRE, path_effects=HALO, **line)


def _draw_caption(figure: Figure, frame: pd.DataFrame) -> None:
    """Draw the legend above the panels and the caption below them."""
    drawn = frame[frame["n"] > 0]
    arms = [arm for arm in frame["arm"].unique() if arm in set(drawn["arm"])]
    most = _of_runs(drawn)["n"].max()
    labels = {arm: style.label(arm) + _few_seeds(drawn[drawn["arm"] == arm], most) for arm in arms}
    handles = [Line2D([], [], label=labels[arm], **style.line(arm)) for arm in arms]
    widest = LINE_INCHES + max(map(len, labels.values()), default=0) / LABEL_CHARACTERS_PER_INCH
    columns = min(max(len(arms), 1), max(int(figure.get_figwidth() / widest), 1))
    rows = -(-len(arms) // columns)
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, handlelength=2.6)
    lines = style.wrapped(caption(frame), figure.get_figwidth())
    further = LEGEND_ROW_INCHES * max(rows - 1, 0) + CAPTION_LINE_INCHES * max(len(lines) - CAPTION_LINES, 0)
    figure.set_figheight(figure.get_figheight() + further)
    figure.supxlabel("\n".join(lines), fontsize=6, color="0.25", linespacing=1.4)


def caption(frame: pd.DataFrame) -> list[str]:
    """Return the lines of the caption: engine, scale, protocol, inputs, statistic, seeds, missing runs and notes."""
    drawn = frame[frame["n"] > 0]
    absent = [style.label(arm) for arm in frame["arm"].unique() if arm not in set(drawn["arm"])]
    lines = []
    if len(drawn):
        facts = f"scale {joined(drawn['scale'])}; protocol {joined(drawn['protocol'])}"
        lines.append(f"{joined(drawn['engine'])}; {facts}; inputs {joined(drawn['inputs'].str[:8])}")
        lines.append(f"{_statistic(_of_runs(drawn)['n'], drawn['statistic'].iloc[0])}; {joined(drawn['sample'])}")
    protocols = drawn.groupby("protocol")["arm"].unique()
    if len(protocols) > 1:
        arms = "; ".join(f"{name}: {', '.join(map(style.label, of_it))}" for name, of_it in protocols.items())
        lines.append(f"protocols, which are not comparable: {arms}")
    if absent:
        lines.append(f"not run yet: {', '.join(absent)}")
    if missing := missing_runs(frame):
        lines.append(f"missing runs: {', '.join(missing)}")
    lines += [f"{name}: {note}" for name, note in style.MAP_NOTES.items() if name in set(frame["map"])]
    ablations = [f"{style.label(arm)}: {words}" for arm, words in style.ABLATIONS.items() if arm in set(frame["arm"])]
    lines += ["; ".join(ablations)] if ablations else []
    of_paper = set(drawn.loc[drawn["protocol"] == "paper", "arm"])
    lines += [f"{style.label(arm)}: {note}" for arm, note in style.ARM_NOTES.items() if arm in of_paper]
    return lines


def missing_runs(frame: pd.DataFrame) -> list[str]:
    """Return the missing runs of the drawn arms: map/arm, or map/arm/seed<k> for seeds that other cells have."""
    seeds = [name for name in frame.filter(regex=r"^seed\d+$") if frame[name].notna().any()]
    arms_drawn = set(_of_runs(frame[frame["n"] > 0])["arm"])
    missing = []
    for (map_name, arm), cell in frame[frame["arm"].isin(arms_drawn)].groupby(["map", "arm"], sort=False):
        absent = [seed for seed in seeds if cell[seed].isna().all()]
        if absent == seeds:
            missing.append(f"{map_name}/{arm}")
        elif absent:
            numbers = style.ranges(sorted(int(str(seed).removeprefix("seed")) for seed in absent))
            missing += [f"{map_name}/{arm}/seed{part}" for part in numbers.split(", ")]
    return missing


def _of_runs(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of arms, without references."""
    return frame[~frame["arm"].isin(style.REFERENCES)]


def _few_seeds(curves: pd.DataFrame, most: int) -> str:
    """Return the legend's note on an arm with fewer seeds than an interval needs or than other arms have."""
    n = curves.groupby(["map", "metric"])["n"].max()
    if n.min() >= max(FEWEST_SEEDS, most):
        return ""
    return f" (n = {n.min()})" if n.min() == n.max() else f" (n = {n.min()} to {n.max()})"


def _statistic(n: pd.Series, statistic: str) -> str:
    fewest, most = int(n.min()), int(n.max())
    seeds = "1 seed" if most == 1 else f"{most} seeds" if fewest == most else f"{fewest} to {most} seeds"
    if statistic == "median":
        return f"median and quartiles over {seeds}; thin lines: single seeds"
    if most < FEWEST_SEEDS:
        return f"{seeds}, no interval" if most == 1 else f"mean over {seeds}, no interval; thin lines: single seeds"
    return f"mean and 95 % Student t interval over {seeds}; thin lines: single seeds"
