"""Panel of a role figure: role means in three dimensions, their noise to scale, and notes below."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from numpy.typing import NDArray

from analysis.figures.parts import rolespace, rolestatistics
from analysis.measures.rollouts import ROLE_COLUMNS

NOTE = 0.105  # inches; height of a note
INSET, RAISED = 0.56, 0.36  # inches; side of the inset with the noise, and how far it stands above the roles
DISC, SHADE = "#ead9a8", "0.4"
EXPLAINED = (
    r"$\sigma$: root mean square of the agents' standard deviations; inset: the cube's floor from above with a disc of"
    " this radius; share of the variance of sampled roles that lies between the agents' means"
)


def draw(
    figure: Figure,
    box: tuple[float, float, float, float],
    units: pd.DataFrame,
    by: str,
    limits: NDArray[np.float64],
    notes: Sequence[str] = (),
) -> None:
    """Draw a panel.

    Args:
        figure: Where to draw.
        box: Left, bottom, width and height of the panel in inches.
        units: Rows of the table `episodes` at one moment.
        by: Property that sets the colours (see `rolespace.coloured`).
        limits: Limits (2, 3) of the role axes.
        notes: Lines below the roles, after the line on their noise.
    """
    left, bottom, width, height = box
    lines = [noise_note(units), *notes]
    foot = NOTE * len(lines)
    axes = rolespace.add_axes(figure, left - 0.06, bottom + foot, width, height - foot - RAISED, projection="3d")
    rolespace.draw_roles(axes, units, by, limits)
    corner = left + width - INSET, bottom + height - INSET
    draw_noise(rolespace.add_axes(figure, *corner, INSET, INSET), units, by, limits)
    across, up = figure.get_size_inches()
    figure.text(
        (left + width / 2) / across, bottom / up, "\n".join(lines),
        ha="center", va="bottom", fontsize=5.8, linespacing=1.25,
    )  # fmt: skip


def draw_noise(axes: Axes, units: pd.DataFrame, by: str, limits: NDArray[np.float64]) -> None:
    """Draw the floor of the cube from above with a disc of one standard deviation of a role, at the same scale."""
    agents, sigma = rolespace.coloured(units, by), rolestatistics.noise(units).sigma
    middle = rolestatistics.living(units)[ROLE_COLUMNS[:2]].mean()
    (left, bottom), (right, top) = limits[:, :2]
    centre, side = ((left + right) / 2, (bottom + top) / 2), right - left
    reach = 1.1 * max(sigma, side / 2)
    axes.add_patch(Circle(tuple(middle), sigma, facecolor=DISC, edgecolor=SHADE, lw=0.4, zorder=1))
    axes.add_patch(Rectangle((left, bottom), side, side, facecolor="none", edgecolor=SHADE, lw=0.4, zorder=2))
    first, second = (agents[name] for name in ROLE_COLUMNS[:2])
    axes.scatter(first, second, s=1.8, c=agents["fill"], edgecolors=rolespace.INK, lw=0.2, zorder=3)
    axes.set(xlim=(centre[0] - reach, centre[0] + reach), ylim=(centre[1] - reach, centre[1] + reach))
    axes.set(xticks=[], yticks=[], aspect="equal")
    axes.grid(False)
    axes.set_xlabel(r"disc: 1$\sigma$", fontsize=5.4, labelpad=1.0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def noise_note(units: pd.DataFrame) -> str:
    """Return the note on the noise of the living agents' roles."""
    sigma, share = rolestatistics.noise(units)
    return rf"$\sigma$ = {sigma:.2g}; {100 * share:.2g} % of the variance between agents"
