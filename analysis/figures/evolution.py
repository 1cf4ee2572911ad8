"""Roles at the first decision of an episode at stages of training, with the run's learning curve (figures 8 and 11)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, MultipleLocator

from analysis import style
from analysis.figures.parts import rolepanel, rolespace, rolestatistics
from analysis.figures.parts.rolespace import LETTERS, panels

__all__ = ["data", "draw", "panels"]

WIDTH = 2.3  # inches; width of a panel
MOST_COLUMNS = 3
COLUMNS_OF = {1: 1, 2: 2, 4: 2}  # panels side by side for a number of panels, if not MOST_COLUMNS
TITLE_HEIGHT, ROLES_HEIGHT, KEY_HEIGHT = 0.38, 2.5, 0.42
ABSENT_HEIGHT = 0.7  # of all panels, if none of them is drawn


def data(summary: Path, specification: dict[str, Any], metrics: Sequence[str]) -> pd.DataFrame:
    """Return the units at t = 1 of each stage: rows of the table `episodes` with panel, by and stages.

    A stage, in environment steps, is drawn at the nearest milestone of the run; stages with the same milestone are
    drawn once. `silhouette` is that of the `groups` of agents (rolestatistics.silhouette_of), `permuted` its null. The
    learning curve of the run has rows with panel `curve`, metric, t_env and value. A map whose run is missing has one
    row, with t = NaN.

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
            by = specification["colours"][map_name]
            at = first[first["step"] == step].assign(by=by)
            if found := rolestatistics.silhouette_of(at, by):
                at = at.assign(**dict(zip(("groups", "silhouette", "permuted"), found, strict=True)))
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
    first = 1 if len(curve) else 0
    columns = COLUMNS_OF.get(first + len(shown), MOST_COLUMNS)
    rows = -(-(first + len(shown)) // columns)
    width = WIDTH * columns
    lines = style.wrapped([*rolespace.caption(roles), *_explained(roles)], width)
    foot = rolespace.LINE * len(lines) + 0.1
    drawn = bool(roles["t"].notna().any())
    content = ROLES_HEIGHT if drawn else ABSENT_HEIGHT
    height = rows * (TITLE_HEIGHT + content) + (KEY_HEIGHT if drawn else 0) + foot
    figure = Figure(figsize=(width, height))

    def corner(place: int) -> tuple[float, float]:
        """Return the left and upper edge of a panel, below its title."""
        row, column = divmod(place, columns)
        return column * WIDTH, height - row * (TITLE_HEIGHT + content) - TITLE_HEIGHT

    if first:
        left, top = corner(0)
        axes = rolespace.add_axes(figure, left + 0.5, top - content + 0.6, WIDTH - 0.7, content - 0.8)
        _draw_curve(axes, curve, roles)
    for place, units in enumerate(shown):
        left, top = corner(first + place)
        if rolespace.is_missing(units):
            axes = rolespace.add_axes(figure, left + 0.1, top - content + 0.05, WIDTH - 0.2, content - 0.1)
            rolespace.absent_panel(axes, units)
            continue
        rolespace.draw_title(figure, left + WIDTH / 2, top, rolespace.title(units, LETTERS[place]))
        limits = rolespace.role_limits(roles[roles["map"] == units["map"].iloc[0]])
        box = left + 0.06, top - content, WIDTH - 0.12, content
        rolepanel.draw(figure, box, units, units["by"].iloc[0], limits, _silhouettes(units))
    if drawn:
        rolespace.draw_key(figure, roles, foot + 0.06, enemies=False)
    rolespace.draw_caption(figure, lines)
    return figure


def _silhouettes(units: pd.DataFrame) -> list[str]:
    """Return the note below a panel on the silhouette of its groups; none without groups."""
    if "silhouette" not in units or units["silhouette"].isna().all():
        return []
    first = units.iloc[0]
    return [f"silhouette by {first['groups']}: {first['silhouette']:.2f} (null: {first['permuted']:.2f})"]


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
    for letter, step in zip(LETTERS, stages["step"], strict=False):
        axes.axvline(step, color="0.4", lw=0.7, ls=(0, (3, 2)), clip_on=False)
        axes.text(step, 1.02, f"({letter})", transform=axes.get_xaxis_transform(), ha="center", fontsize=6.5)


def _explained(roles: pd.DataFrame) -> list[str]:
    drawn = roles[roles["t"].notna()]
    if drawn.empty:
        return []
    lines = [
        "role means at the first decision (t = 1); all panels of a map have one scale; silhouette: of groups of living"
        " agents by their role means; null: roles exchanged at random among them",
        rolepanel.EXPLAINED,
    ]
    for _, units in drawn.groupby(["map", "step"], sort=False):
        map_name, step = units["map"].iloc[0], int(units["step"].iloc[0])
        wanted = [int(stage) for stage in units["stages"].iloc[0].split()]
        if wanted != [step]:
            asked = " and ".join(map(_amount, wanted))
            lines.append(f"{map_name}: {_amount(step)} steps is the milestone nearest to {asked} steps")
    return lines
