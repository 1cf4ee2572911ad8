"""Animation of an episode of a trained run, with agents coloured by their roles.

The three role dimensions set red, green and blue. Each runs from dark at the smallest value among the living agents of
the episode to light at the largest. Similar colours mean similar roles, and an agent that changes colour changes its
role.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from analysis import style
from analysis.figures.parts import rolepanel, rolespace, rolestatistics
from analysis.measures.rollouts import ROLE_COLUMNS
from analysis.summarise import withheld
from roma.support.errors import UserError
from roma.support.files import atomic_path, make_writable_directory

ARM = "roma"
WIDTH, HEIGHT, DPI = 7.2, 3.3, 110  # inches, dots per inch
DARKEST, LIGHTEST = 0.1, 0.95
MILLISECONDS, MILLISECONDS_AT_THE_END = 200, 2000
COLOURS = 64  # per frame; fewer colours make smaller files


def write(map_name: str, summary: Path, out: Path) -> Path:
    """Write `<map>.gif`, an animation of the episode that the figures show, and return its path.

    Args:
        map_name: Name of the map.
        summary: Folder of the tidy tables.
        out: Output folder.

    Raises:
        UserError: The summary has no such episode, or its roles are withheld.
    """
    if reason := withheld(summary):
        raise UserError(f"roles of {summary} are withheld {reason}")
    shown = rolespace.read(summary, {"maps": [map_name], "arms": [ARM]})
    episode = shown[shown["step"] == shown["step"].max()]
    if episode.empty:
        raise UserError(f"{summary} has no episode of {ARM} on {map_name}: its run or its rollout is missing")
    make_writable_directory(out)
    images = [Image.fromarray(pixels).quantize(COLOURS, dither=Image.Dither.NONE) for pixels in frames(episode)]
    durations = [MILLISECONDS] * (len(images) - 1) + [MILLISECONDS_AT_THE_END]
    target = out / f"{map_name}.gif"
    with atomic_path(target) as beside:
        images[0].save(beside, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0)
    return target


def frames(episode: pd.DataFrame) -> list[NDArray[np.uint8]]:
    """Return one picture (height, width, 3) for each environment step of an episode.

    Args:
        episode: Rows of the table `episodes` of one episode.
    """
    style.apply()
    episode = episode.assign(role_fill=role_colours(episode))
    alive = episode[episode["health"] > 0]
    limits, length = rolespace.role_limits(alive), int(episode["t"].max()) - 1
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    of_roles = rolespace.add_axes(figure, 0.0, 0.25, 2.9, 2.75, projection="3d")
    noise = rolespace.add_axes(figure, 2.4, 2.44, rolepanel.INSET, rolepanel.INSET)
    battlefield = rolespace.add_axes(figure, 3.1, 0.35, 4.0, 2.6)
    first = episode.iloc[0]
    title = figure.text(0.5, 0.94, "", ha="center", fontsize=8.5)
    named = f"{style.label(first['arm'])}, seed {first['seed']:.0f}, {first['total_steps']:,.0f} steps"
    named += f", {first['engine']} engine"
    explained = "red, green, blue: role dimensions 1, 2, 3, dark to light from smallest to largest"
    figure.text(0.5, 0.025, f"{named}; {explained}", ha="center", fontsize=6.5, color="0.25")
    pictures = []
    for _, units in episode.groupby("t"):
        for axes in (of_roles, noise, battlefield):
            axes.clear()
        living = rolestatistics.living(units)
        rolespace.draw_roles(of_roles, living, "role", limits)
        noise.set_visible(len(living) > 0)
        if len(living):
            rolepanel.draw_noise(noise, living, "role", limits)
        rolespace.draw_battlefield(battlefield, units, "role", episode)
        title.set_text(_title(units, length))
        canvas.draw()
        pictures.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    return pictures


def role_colours(units: pd.DataFrame) -> list[str]:
    """Return the role colour of each row, scaled over the living agents of all rows; "" for enemies."""
    roles = units[ROLE_COLUMNS].to_numpy(float)
    living = roles[(units["health"] > 0) & units["is_agent"].astype(bool)]
    low, width = living.min(0), np.ptp(living, axis=0)
    share = np.clip((roles - low) / np.where(width > 0, width, 1), 0, 1)
    colours: list[Any] = (DARKEST + (LIGHTEST - DARKEST) * share).tolist()
    return ["" if np.isnan(colour).any() else to_hex(colour) for colour in colours]


def _title(units: pd.DataFrame, length: int) -> str:
    agents, t = units["is_agent"].astype(bool), units["t"].iloc[0]
    left = [f"{(units.loc[side, 'health'] > 0).sum()} of {side.sum()}" for side in (agents, ~agents)]
    moment = f"t = {t} of {length}" if t <= length else "won" if units["won"].iloc[0] else "not won"
    return f"{units['map'].iloc[0]}, {moment}: {left[0]} agents, {left[1]} enemies"
