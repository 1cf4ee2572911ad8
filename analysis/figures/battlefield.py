"""Battlefield at one moment of an episode, without roles (figure 12)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis import style
from analysis.figures import episode
from analysis.figures.parts import rolespace
from analysis.figures.parts.rolespace import LETTERS, panels

__all__ = ["data", "draw", "panels"]

WIDTH, TITLE_HEIGHT, BATTLE_HEIGHT, ABSENT_HEIGHT, KEY_HEIGHT = 3.4, 0.38, 2.5, 0.7, 0.6  # inches


def data(summary: Path, specification: dict[str, Any], metrics: Sequence[str]) -> pd.DataFrame:
    """Return the units at each moment shown, as `episode.data` does."""
    return episode.data(summary, specification, metrics)


def draw(frame: pd.DataFrame) -> Figure:
    """Draw a frame of `data` or one of its panels: the battlefields side by side."""
    style.apply()
    shown = [units for _, units in frame.groupby(["map", "panel"], sort=False)]
    width, drawn = WIDTH * len(shown), bool(frame["t"].notna().any())
    lines = style.wrapped(rolespace.caption(frame) + (["arrows: targets of attack or heal"] if drawn else []), width)
    foot, content = rolespace.LINE * len(lines) + 0.1, BATTLE_HEIGHT if drawn else ABSENT_HEIGHT
    top = content + (KEY_HEIGHT if drawn else 0) + foot
    figure = Figure(figsize=(width, top + TITLE_HEIGHT))
    for place, units in enumerate(shown):
        left = place * WIDTH
        title = rolespace.title(units, LETTERS[place] if len(shown) > 1 else "")
        rolespace.draw_title(figure, left + WIDTH / 2, top, title)
        axes = rolespace.add_axes(figure, left + 0.1, top - content + 0.05, WIDTH - 0.2, content - 0.1)
        if rolespace.is_missing(units):
            rolespace.absent_panel(axes, units)
        else:
            rolespace.draw_battlefield(axes, units, units["by"].iloc[0])
    if drawn:
        rolespace.draw_key(figure, frame, foot + 0.1)
    rolespace.draw_caption(figure, lines)
    return figure
