"""Final win rates over a grid of two settings, one panel per map; the paper's choice and the best cell are marked."""

import json
from collections.abc import Hashable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke

from analysis import style
from analysis.statistics import FEWEST_SEEDS, Interval, student_interval
from analysis.summarise import facts_of, joined
from roma.learners import algorithm

# Marks of a cell: label, look, and distance from the cell's edge, which differs because a cell may have both marks.
MARKS: dict[str, tuple[str, dict[str, Any], float]] = {
    "chosen": ("the paper's choice", {"edgecolor": "black", "linestyle": "-"}, 0.04),
    "best": ("highest mean", {"edgecolor": "crimson", "linestyle": (0, (2, 1))}, 0.08),
}


def data(summary: Path, specification: dict[str, Any], metrics: Sequence[str]) -> pd.DataFrame:
    """Return one row per cell: map, the two settings, mean, low, high, n, chosen, best and the facts of the runs.

    Cells are in the order drawn; a cell without runs has n = 0. `chosen` marks the defaults of the settings, `best` the
    highest mean of a map.

    Args:
        summary: Folder of the tidy tables.
        specification: Entry of the figure list; `axes` holds the values of the setting on the rows, then the columns.
        metrics: Not used.
    """
    axes: dict[str, list[float]] = specification["axes"]
    finals, runs = (pd.read_parquet(summary / f"{name}.parquet") for name in ("finals", "runs"))
    settings = pd.read_parquet(summary / "settings.parquet")
    for name in axes:
        values = settings[settings["setting"] == name].rename(columns={"value": name})
        finals = finals.merge(values[["map", "arm", name]])
        finals[name] = finals[name].map(json.loads)
    scores = {cell: part["final_win_rate"].to_numpy(float) for cell, part in finals.groupby(["map", *axes])}
    rows = []
    for cell in product(specification["maps"], *axes.values()):
        interval = student_interval(scores.get(cell, np.empty(0))[:, None], bounds=(0.0, 1.0))
        rows.append([*cell, *(part[0] for part in interval)])
    frame = pd.DataFrame(rows, columns=["map", *axes, *Interval._fields])
    defaults = algorithm(specification["algorithm"]).config_class()
    frame = frame.assign(
        chosen=np.all([frame[name] == getattr(defaults, name) for name in axes], axis=0),
        best=frame["mean"] == frame.groupby("map")["mean"].transform("max"),
    )
    return frame.merge(facts_of(summary, runs, ["map"]), "left")


def panels(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each map, which are also drawn as a single file."""
    return {str(name): part for name, part in frame.groupby("map", sort=False)}


def draw(frame: pd.DataFrame) -> Figure:
    """Draw a frame of `data` or one of its panels, without further computation."""
    style.apply()
    maps = panels(frame)
    figure = Figure(figsize=(0.5 + 3.3 * len(maps), 4.2), layout="constrained")
    for axis, (name, part) in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps.items(), strict=True):
        _draw_map(axis, name, part)
    handles = [Patch(fill=False, linewidth=1.2, label=label, **look) for label, look, _ in MARKS.values()]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    lines = style.wrapped(caption(frame), figure.get_figwidth())
    figure.supxlabel("\n".join(lines), fontsize=6, color="0.25", linespacing=1.4)
    return figure


def _draw_map(axis: Axes, name: str, frame: pd.DataFrame) -> None:
    rows, columns = frame.columns[1:3]
    shape = frame[rows].nunique(), frame[columns].nunique()
    means = frame["mean"].to_numpy(float).reshape(shape)
    texts = np.array([_label(cell) for cell in frame.to_dict("records")]).reshape(shape)
    look = {"cmap": "cividis", "vmin": 0, "vmax": 1, "cbar": False, "square": True, "linewidths": 0.5}
    sns.heatmap(means, annot=texts, fmt="", annot_kws={"fontsize": 5.5}, ax=axis, **look)
    axis.set(title=name, xlabel=style.SETTINGS[columns], ylabel=style.SETTINGS[rows])
    axis.set_xticklabels(map(_written, frame[columns].unique()))
    axis.set_yticklabels(map(_written, frame[rows].unique()), rotation=0)
    axis.tick_params(length=0)
    for mark, (_, edge, inset) in MARKS.items():
        for place in np.flatnonzero(frame[mark]).tolist():
            row, column = divmod(place, shape[1])
            side = 1 - 2 * inset
            patch = Rectangle((column + inset, row + inset), side, side, fill=False, linewidth=1.2, **edge)
            patch.set_path_effects([withStroke(linewidth=2.4, foreground="white")])
            axis.add_patch(patch)


def _label(cell: dict[Hashable, Any]) -> str:
    """Return the mean, and below it the interval if there are enough seeds."""
    if not cell["n"]:
        return ""
    interval = f"\n{cell['low']:.2f}–{cell['high']:.2f}" if cell["n"] >= FEWEST_SEEDS else ""
    return f"{cell['mean']:.2f}{interval}"


def _written(value: float) -> str:
    return np.format_float_scientific(value, trim="-", exp_digits=1)


def caption(frame: pd.DataFrame) -> list[str]:
    """Return the lines of the caption: engine, scale, protocol, inputs, statistic, seeds and missing runs."""
    drawn, (rows, columns) = frame[frame["n"] > 0], frame.columns[1:3]
    lines = []
    if len(drawn):
        first, most = drawn.iloc[0], drawn["n"].max()
        engine, protocol = joined(drawn["engine"]), joined(drawn["protocol"])
        lines.append(f"{engine}; scale {first['scale']}; protocol {protocol}; inputs {first['inputs'][:8]}")
        interval = "mean and 95 % Student t interval" if most >= FEWEST_SEEDS else "mean without interval"
        seeds = "seed" if most == 1 else "seeds"
        lines.append(f"win rate: mean of the tests in the last tenth of a run; {interval} over {most} {seeds}")
    fewer = frame[frame["n"] < frame["n"].max()] if len(drawn) else frame
    missing = [
        f"{cell['map']} {_written(cell[rows])}/{_written(cell[columns])}" + (f" (has {cell['n']})" if cell["n"] else "")
        for cell in fewer.to_dict("records")
    ]
    if missing:
        lines.append(f"missing runs, by {style.SETTINGS[rows]}/{style.SETTINGS[columns]}: {', '.join(missing)}")
    return lines
