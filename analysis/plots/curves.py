"""Learning curves: a metric of the greedy tests against environment steps, one panel a map (figures 4 and 9)."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator, MultipleLocator

from analysis import style
from analysis.statistics import FEWEST_SEEDS

COLUMNS = 3  # panels side by side
CHARACTERS_PER_INCH = 19  # of the lines below the picture
LABEL_CHARACTERS_PER_INCH = 12  # of the legend
LINE_INCHES = 0.6  # of the line beside a label, with the space around both
LEGEND_ROW_INCHES = 0.18
# Limits of an axis and the distance of its ticks. SMAC scales rewards so that a won battle returns 20.
SCALES = {"test_battle_won_mean": (0.0, 1.0, 0.25), "test_return_mean": (0.0, 20.0, 5.0)}
FACTS = ["engine", "engine_digest", "scale", "protocol", "test_episodes"]


def data(summary: Path, specification: dict[str, Any], metrics: Sequence[str]) -> pd.DataFrame:
    """All that is drawn, one row a point: columns map, arm, metric, step, mean, low, high, n, seed<k>..., and FACTS.

    Maps, arms and metrics stand in the order drawn. An arm without runs has one row a map, with n = 0.
    """
    order = pd.MultiIndex.from_product(
        [specification["maps"], metrics, specification["arms"]], names=["map", "metric", "arm"]
    ).to_frame(index=False)
    means = pd.read_parquet(summary / "intervals.parquet")
    seeds = (
        pd.read_parquet(summary / "curves.parquet")
        .melt(["map", "arm", "seed", "step"], metrics, var_name="metric")
        .pivot_table(index=["map", "metric", "arm", "step"], columns="seed", values="value", aggfunc="last")
        .add_prefix("seed")
        .reset_index()
    )
    facts = pd.read_parquet(summary / "runs.parquet").drop_duplicates(["map", "arm"])
    facts = facts.assign(scale=summary.resolve().parent.name)[["map", "arm", *FACTS]]
    frame = order.merge(means, "left").merge(seeds, "left").merge(facts, "left")
    return frame.assign(n=frame["n"].fillna(0).astype(int))


def panels(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The parts of `frame` that are also drawn alone, by map."""
    return {str(name): part for name, part in frame.groupby("map", sort=False)}


def draw(frame: pd.DataFrame) -> Figure:
    """The frame of `data`, or a panel of it, as a picture. Nothing is computed here."""
    style.apply()
    maps, metrics = list(frame["map"].unique()), list(frame["metric"].unique())
    columns = min(COLUMNS, len(maps))
    blocks = -(-len(maps) // columns)
    width = 2.3 * columns if columns > 1 else 3.4
    figure = Figure(figsize=(width, 0.9 + blocks * (0.2 + 1.3 * len(metrics))), layout="constrained")
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
        if place + columns >= len(maps):
            stack[-1].set_xlabel("environment steps")
    figure.align_ylabels(axes[:, 0])
    _draw_face(figure, frame)
    return figure


def _draw_map(stack: Sequence[Axes], frame: pd.DataFrame, metrics: Sequence[str]) -> None:
    """One map: its metrics one above the other, on the same steps."""
    stack[0].set_title(frame["map"].iloc[0])
    for axis, metric in zip(stack, metrics, strict=True):
        part = frame[(frame["metric"] == metric) & (frame["n"] > 0)]
        for arm, curve in reversed(list(part.groupby("arm", sort=False))):  # the first arm is drawn on top
            _draw_arm(axis, str(arm), curve)
        axis.set(xlabel="", ylabel="")
        axis.set_xlim(left=0)
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        if metric in SCALES:
            low, high, distance = SCALES[metric]
            margin = 0.03 * (high - low)
            bottom, top = axis.get_ylim() if len(part) else (low, high)
            axis.set_ylim(min(low - margin, bottom), max(high + margin, top))
            axis.yaxis.set_major_locator(MultipleLocator(distance))
            axis.yaxis.set_major_formatter("{x:g}")
        if axis is not stack[-1]:
            axis.tick_params(labelbottom=False)


def _draw_arm(axis: Axes, arm: str, curve: pd.DataFrame) -> None:
    line = style.line(arm)
    if curve["n"].max() > 1:
        for seed in curve.filter(regex=r"^seed\d+$"):
            sns.lineplot(
                x=curve["step"], y=curve[seed], ax=axis, estimator=None, color=line["color"], linewidth=0.5, alpha=0.35
            )
    if curve["low"].notna().any():
        axis.fill_between(curve["step"], curve["low"], curve["high"], color=line["color"], alpha=0.18, linewidth=0)
    sns.lineplot(x=curve["step"], y=curve["mean"], ax=axis, estimator=None, **line)


def _draw_face(figure: Figure, frame: pd.DataFrame) -> None:
    """The legend above; below, what a reader must know: engine, scale, protocol, seeds, statistic, what is missing."""
    drawn = frame[frame["n"] > 0]
    arms = [arm for arm in frame["arm"].unique() if arm in set(drawn["arm"])]
    handles = [Line2D([], [], label=style.label(arm), **style.line(arm)) for arm in arms]
    widest = LINE_INCHES + max((len(style.label(arm)) for arm in arms), default=0) / LABEL_CHARACTERS_PER_INCH
    columns = min(max(len(arms), 1), max(int(figure.get_figwidth() / widest), 1))
    rows = -(-len(arms) // columns)
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW_INCHES * max(rows - 1, 0))
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, handlelength=2.6)
    width = int(figure.get_figwidth() * CHARACTERS_PER_INCH)
    lines = [part for line in face(frame) for part in textwrap.wrap(line, width)]
    figure.supxlabel("\n".join(lines), fontsize=6, color="0.25", linespacing=1.4)


def face(frame: pd.DataFrame) -> list[str]:
    """The lines below the picture."""
    drawn = frame[frame["n"] > 0]
    absent = [style.label(arm) for arm in frame["arm"].unique() if arm not in set(drawn["arm"])]
    lines = []
    if len(drawn):
        engines = set(drawn["engine"] + " engine " + drawn["engine_digest"].str[:8])
        lines.append(f"{_joined(engines)}; scale {_joined(drawn['scale'])}; protocol {_joined(drawn['protocol'])}")
        lines.append(f"{_statistic(drawn['n'])}; {_joined(drawn['test_episodes'].astype(int))} greedy episodes a test")
    if absent:
        lines.append(f"not built or not run yet: {', '.join(absent)}")
    lines += [f"{name}: {note}" for name, note in style.MAP_NOTES.items() if name in set(frame["map"])]
    return lines


def _statistic(n: pd.Series) -> str:
    fewest, most = int(n.min()), int(n.max())
    seeds = "1 seed" if most == 1 else f"{most} seeds" if fewest == most else f"{fewest} to {most} seeds"
    if most < FEWEST_SEEDS:
        return f"{seeds}: no interval" if most == 1 else f"mean of {seeds}: no interval; thin lines: single seeds"
    return f"mean and 95 % Student t interval of {seeds}; thin lines: single seeds"


def _joined(values: Any) -> str:
    return " and ".join(str(value) for value in sorted(set(values)))
