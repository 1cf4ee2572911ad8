"""Figure of untrained play on the embedded engine and in StarCraft II, one row per map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roma.recordings.calibrate.comparison import QUANTILES
from roma.recordings.calibrate.play import Play
from roma.recordings.calibrate.statistics import median_interval
from roma.scenarios import released_runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS, PUBLISHED, INTERVAL = "#D55E00", "0.25", "0.88"
ABOVE, BELOW = 0.17, -0.17  # offsets in the row of a map: the published sample, and ours
PILE = 0.055  # vertical distance of coinciding values, as a fraction of the row height


def draw(plays: Sequence[Play]) -> Figure:
    """Draw random play, untrained networks and the scripted policy in three panels, with one row per map.

    Each published value and each untrained network is a dot. Our random play is a faint line from the shortest to the
    longest episode, a line from the 10 % to the 90 % quantile, a bar between the quartiles and a dot at the median.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 1.3 + 0.5 * len(plays)), layout="constrained")
    lengths, returns, wins = figure.subplots(1, 3, sharey=True, width_ratios=(2.4, 1.6, 1.1))
    for place, play in enumerate(reversed(plays)):
        _draw_lengths(lengths, place, play)
        _draw_returns(returns, place, play)
        published = 100 * released_runs.scripted_policy()[play.map].win_rate
        wins.plot(published, place + ABOVE, "D", color=PUBLISHED, ms=4.5)
        wins.plot(100 * play.scripted_win_rate, place + BELOW, "o", color=OURS, ms=5.5)
    lengths.set_title("random play: length of an episode, timesteps", fontsize=8.5)
    lengths.set_xscale("log")
    ticks = [tick for tick in (10, 15, 20, 30, 40, 60, 80, 120, 200, 400) if _between(tick, lengths.get_xlim())]
    lengths.set_xticks(ticks, list(map(str, ticks)))
    lengths.minorticks_off()
    returns.set_title("untrained networks: greedy return, of 20", fontsize=8.5)
    wins.set_title("scripted policy: wins, %", fontsize=8.5)
    wins.set_xlim(-6, 106)
    for axes in figure.axes:
        axes.set_ylim(-0.6, len(plays) - 0.4)
        axes.set_yticks(range(len(plays)), [play.map for play in reversed(plays)], fontsize=8.5)
        axes.tick_params(axis="x", labelsize=8)
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.hlines(np.arange(1, len(plays)) - 0.5, 0, 1, transform=axes.get_yaxis_transform(), color="0.9", lw=0.6)
    _legend(figure)
    return figure


def _between(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _draw_lengths(axes: Axes, place: int, play: Play) -> None:
    published, ours = released_runs.random_lengths(play.map), play.lengths
    low, high = median_interval(published)
    axes.fill_betweenx([place - 0.42, place + 0.42], low, high, color=INTERVAL, lw=0)
    _dots(axes, published, place + 0.06, PUBLISHED)
    bounds = np.quantile(ours, (QUANTILES[0], 0.25, 0.75, QUANTILES[1]))
    axes.plot([ours.min(), ours.max()], [place + BELOW] * 2, color=OURS, lw=0.8, alpha=0.35)
    axes.plot(bounds[[0, 3]], [place + BELOW] * 2, color=OURS, lw=1.4)
    axes.plot(bounds[[1, 2]], [place + BELOW] * 2, color=OURS, lw=4.5, solid_capstyle="butt", alpha=0.5)
    axes.plot(np.median(ours), place + BELOW, "o", color=OURS, ms=5.5)


def _draw_returns(axes: Axes, place: int, play: Play) -> None:
    _, published = released_runs.first_tests(play.map)
    for values, height, color in ((published, ABOVE, PUBLISHED), (play.network_returns, BELOW, OURS)):
        if len(values):
            axes.plot(values, np.full(len(values), place + height), "o", color=color, ms=3, mew=0, alpha=0.45)
            axes.plot(np.median(values), place + height, "|", color=color, ms=10, mew=2)


def _dots(axes: Axes, values: NDArray[np.int64], bottom: float, color: str) -> None:
    """Draw sorted values (n,) as dots; coinciding values are stacked."""
    height = np.arange(len(values)) - np.searchsorted(values, values)
    axes.plot(values, bottom + PILE * height, "o", color=color, ms=2.6, mew=0)


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    def dot(label: str, **style: Any) -> Line2D:
        return Line2D([], [], ls="", label=label, **style)

    handles = [
        dot("StarCraft II: one dot per released run", marker="o", color=PUBLISHED, ms=4),
        Patch(color=INTERVAL, label="95 % interval of the published median"),
        Line2D(
            *([], []),
            color=OURS,
            marker="o",
            ms=5.5,
            label="embedded engine: median, quartiles, 10 % to 90 %, extremes",
        ),
        dot("median over networks", marker="|", color="0.4", ms=9, mew=2),
        dot("StarCraft II: published win rate", marker="D", color=PUBLISHED, ms=4.5),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=7.5)
