"""Roles at the first decision of an episode at stages of training, with the run's learning curve (figures 8 and 11)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, MultipleLocator

from analysis import style
from analysis.figures import rolespace
from analysis.figures.rolespace import panels

__all__ = ["data", "draw", "panels"]

WIDTH, CURVE_WIDTH = 2.25, 2.3  # inches of a panel
TITLE_HEIGHT, ROLES_HEIGHT, KEY_HEIGHT = 0.38, 2.05, 0.42


def data(summary: Path, specification: dict[str, Any], metrics: Sequence[str]) -> pd.DataFrame:
    """Return the units at t = 1 of each stage: rows of the table `episodes` with panel, by and stages.

    A stage, in environment steps, is drawn at the nearest milestone of the run; stages with the same milestone are
    drawn once. The learning curve of the run has rows with panel `curve`, metric, t_env and value. A map whose run is
    missing has one row, with t = NaN.

    Args:
        summary: Folder of the tidy tables.
        specification: Entry of the figure list, with `stages` and optionally the metric of the `curve`.
        metrics: Not used.
    """
    shown = rolespace.read(summary, specification)
    (arm,) = specification["arms"]
    parts = []
    for map_name in specification["maps"]:
        first = shown[(shown["map"] == map_name) & (shown["t"] == 1)]
        if first.empty:
            parts.append(rolespace.missing(map_name, arm, "t = 1"))
            continue
        if "curve" in specification:
            parts.append(_curve(summary, first.iloc[0], specification["curve"]))
        kept = np.sort(first["step"].unique())
        stages: dict[int, list[int]] = {}
        for stage in specification["stages"]:
            stages.setdefault(int(kept[np.abs(kept - stage).argmin()]), []).append(stage)
        for step, wanted in stages.items():
            at = first[first["step"] == step].assign(by=specification["colours"][map_name])
            panel = "before training" if step == 0 else f"after {_amount(step)} steps"
            parts.append(at.assign(panel=panel, stages=" ".join(map(str, wanted))))
    return pd.concat(parts, ignore_index=True)


def _curve(summary: Path, run: pd.Series, metric: str) -> pd.DataFrame:
    curves = pd.read_parquet(summary / "curves.parquet")
    of_run = curves[(curves["map"] == run["map"]) & (curves["arm"] == run["arm"]) & (curves["seed"] == run["seed"])]
    rows = pd.DataFrame({"panel": "curve", "metric": metric, "t_env": of_run["t_env"], "value": of_run[metric]})
    return rows.assign(map=run["map"], arm=run["arm"])


def _amount(steps: float) -> str:
    return str(EngFormatter(sep="")(steps))


def draw(frame: pd.DataFrame) -> Figure:
    """Draw a frame of `data`: the learning curve, if there is one, then the roles of each stage."""
    style.apply()
    curve = frame[frame["panel"] == "curve"]
    roles = frame[frame["panel"] != "curve"]
    shown = [units for _, units in roles.groupby(["map", "panel"], sort=False)]
    start = CURVE_WIDTH if len(curve) else 0.0
    width = start + WIDTH * len(shown)
    lines = style.wrapped([*rolespace.caption(roles), *_explained(roles)], width)
    foot = rolespace.LINE * len(lines) + 0.1
    height = TITLE_HEIGHT + ROLES_HEIGHT + KEY_HEIGHT + foot
    top = height - TITLE_HEIGHT
    figure = Figure(figsize=(width, height))
    if len(curve):
        axes = rolespace.add_axes(figure, 0.5, top - ROLES_HEIGHT + 0.45, CURVE_WIDTH - 0.6, ROLES_HEIGHT - 0.6)
        _draw_curve(axes, curve, roles)
    for place, units in enumerate(shown):
        left = start + place * WIDTH
        if rolespace.is_missing(units):
            rolespace.absent_panel(rolespace.add_axes(figure, left, top - ROLES_HEIGHT, WIDTH, ROLES_HEIGHT), units)
            continue
        letter = f"({'abcdefgh'[place]}) "
        title = f"{letter}{units['map'].iloc[0]}\n{units['panel'].iloc[0]}"
        rolespace.draw_title(figure, left + WIDTH / 2, top, title)
        axes = rolespace.add_axes(figure, left, top - ROLES_HEIGHT, WIDTH - 0.2, ROLES_HEIGHT, projection="3d")
        rolespace.draw_roles(axes, units, units["by"].iloc[0], rolespace.role_limits(units))
    if roles["t"].notna().any():
        rolespace.draw_key(figure, roles, foot + 0.06, enemies=False)
    rolespace.draw_caption(figure, lines)
    return figure


def _draw_curve(axes: Any, curve: pd.DataFrame, roles: pd.DataFrame) -> None:
    """Draw the tests of one run, with a vertical line at each stage."""
    axes.plot(curve["t_env"], curve["value"], **style.line(curve["arm"].iloc[0]))
    stages = roles[["panel", "step"]].dropna().drop_duplicates("panel")
    metric = curve["metric"].iloc[0]
    axes.set(xlabel="environment steps", ylabel=style.METRICS[metric], xlim=(0, None))
    if metric == "test_battle_won_mean":
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_locator(MultipleLocator(0.25))
        axes.yaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    for letter, step in zip("abcdefgh", stages["step"], strict=False):
        axes.axvline(step, color="0.4", lw=0.7, ls=(0, (3, 2)), clip_on=False)
        axes.text(step, 1.02, f"({letter})", transform=axes.get_xaxis_transform(), ha="center", fontsize=6.5)


def _explained(roles: pd.DataFrame) -> list[str]:
    drawn = roles[roles["t"].notna()]
    if drawn.empty:
        return []
    lines = ["role means at the first decision (t = 1); each panel has its own axis limits"]
    for _, units in drawn.groupby(["map", "step"], sort=False):
        map_name, step = units["map"].iloc[0], int(units["step"].iloc[0])
        wanted = [int(stage) for stage in units["stages"].iloc[0].split()]
        if wanted != [step]:
            asked = " and ".join(map(_amount, wanted))
            lines.append(f"{map_name}: {_amount(step)} steps is the milestone nearest to {asked} steps")
    return lines
