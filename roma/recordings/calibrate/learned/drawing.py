"""Figure of our training runs and all released ones, one row per map and algorithm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from roma.recordings.calibrate.learned.comparison import Group
from roma.recordings.calibrate.learned.recorded import RecordedRun
from roma.recordings.calibrate.statistics import smoothed
from roma.scenarios.released_runs import ReleasedRun

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # of groups, repeated if there are more
MEDIAN, RUNS = "0.15", "0.72"  # colours of released runs
GRID = 5_000  # environment steps between the points of a drawn median
LABEL_LENGTH = 40  # longest label, in characters, with which three labels fit in one row
SHORTEST = 50_000  # the least environment steps on the horizontal axis


def draw(groups: Sequence[Group]) -> Figure:
    """Draw win rate, return and episode length against environment steps, one row per map and algorithm.

    Thin lines are single runs, smoothed by a centred mean of five tests. Thick lines are medians over the runs of a
    group, up to the end of its shortest run. Episode lengths are horizontal lines, one per phase, with whiskers of two
    standard errors.
    """
    from matplotlib.figure import Figure

    cells = list(dict.fromkeys((group.map, group.algorithm) for group in groups))
    labels = list(dict.fromkeys(group.label for group in groups))
    figure = Figure(figsize=(9.6, 0.9 + 1.9 * len(cells)), layout="constrained")
    for cell, (rates, returns, lengths) in zip(cells, figure.subplots(len(cells), 3, squeeze=False), strict=True):
        members = [group for group in groups if (group.map, group.algorithm) == cell]
        released = [run for run in members[0].released if run.complete]
        end = max(SHORTEST, *(group.end for group in members)) * 1.02
        _draw_curves(rates, returns, released, end, RUNS, MEDIAN, 1)
        _draw_lengths(lengths, members, labels, end)
        for group in members:
            color = COLORS[labels.index(group.label) % len(COLORS)]
            _draw_curves(rates, returns, group.runs, end, color, color, 3)
        for axes in (rates, returns, lengths):
            axes.set_xlim(0, end / 1e3)
            axes.tick_params(labelsize=8)
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(color="0.94", lw=0.6)
        rates.set_ylim(-2, 102)
        returns.set_ylim(0, max(20.5, returns.get_ylim()[1]))
        lengths.set_ylim(bottom=0)
        rates.set_ylabel(f"{cell[0]}\n{cell[1]}", fontsize=9)
    _titles(figure, len(cells))
    _legend(figure, labels)
    return figure


def _titles(figure: Figure, rows: int) -> None:
    names = ("test win rate, %", "test return, of 20", "length of training episodes, timesteps")
    for axes, name in zip(figure.axes, names, strict=False):
        axes.set_title(name, fontsize=8.5)
    for axes in figure.axes[3 * (rows - 1) :]:
        axes.set_xlabel("thousand environment steps", fontsize=8)


def _draw_curves(
    rates: Axes,
    returns: Axes,
    runs: Sequence[RecordedRun] | Sequence[ReleasedRun],
    end: float,
    color: str,
    median_color: str,
    layer: int,
) -> None:
    """Draw the curve of each run as a thin line and the median over runs as a thick line."""
    for axes, curves in (
        (rates, [(run.t_env, 100 * smoothed(run.win_rate)) for run in runs]),
        (returns, [(run.t_env, smoothed(run.returns)) for run in runs]),
    ):
        for t_env, values in curves:
            shown = t_env <= end
            axes.plot(t_env[shown] / 1e3, values[shown], color=color, lw=0.7, alpha=0.8, zorder=layer)
        steps, median = _median(curves, end)
        axes.plot(steps / 1e3, median, color=median_color, lw=2, zorder=layer + 1)


def _median(
    curves: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]], end: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a grid of steps on which all curves have values, and the median over the curves, linearly interpolated."""
    known = [(t_env[~np.isnan(values)], values[~np.isnan(values)]) for t_env, values in curves]
    if not known or not all(len(t_env) for t_env, _ in known):
        return np.zeros(0), np.zeros(0)
    first, last = max(t_env[0] for t_env, _ in known), min(min(t_env[-1] for t_env, _ in known), end)
    steps = np.arange(first, last + 1, GRID, dtype=np.float64)
    return steps, np.median([np.interp(steps, t_env, values) for t_env, values in known], 0)


def _draw_lengths(axes: Axes, members: Sequence[Group], labels: Sequence[str], end: float) -> None:
    longest = max(members, key=lambda group: len(group.phases))
    drawn = [(longest.phases, longest.released_lengths, end, MEDIAN)]
    drawn += [
        (group.phases, group.lengths, group.end, COLORS[labels.index(group.label) % len(COLORS)]) for group in members
    ]
    for place, (phases, lengths, until, color) in enumerate(drawn, 1):
        for (first, last), length in zip(phases, lengths, strict=True):
            if length is not None:
                start, stop = first / 1e3, min(last, until) / 1e3
                axes.plot([start, stop], [length.length] * 2, color=color, lw=2, solid_capstyle="butt")
                middle = start + (stop - start) * place / (len(drawn) + 1)
                axes.errorbar(middle, length.length, 2 * length.error, color=color, lw=1.2, capsize=3)


def _legend(figure: Figure, labels: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=RUNS, lw=0.9, label="StarCraft II: released runs"),
        Line2D([], [], color=MEDIAN, lw=2, label="their median"),
        *(
            Line2D([], [], color=COLORS[place % len(COLORS)], lw=2, label=f"ours: {label}")
            for place, label in enumerate(labels)
        ),
    ]
    columns = 3 if max(map(len, labels)) <= LABEL_LENGTH else 1
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=7.5)
