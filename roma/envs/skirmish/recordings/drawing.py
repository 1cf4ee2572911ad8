"""Pictures of a recorded battle: a still, one frame per timestep, and an animation of them.

Colours are from the palette of Okabe and Ito, which colour-blind readers can distinguish. Agents are dark with a light
letter and enemies light with a dark letter, so that grey prints are readable. Units and ranges are drawn to scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch, Patch, Rectangle
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from roma.envs.skirmish.recordings.battle import GOES_ON, Recording
from roma.scenarios.rows import HEALTH, SHIELD, X, Y
from roma.support.files import atomic_path
from roma.support.pictures import own_settings

AGENT, ENEMY = "#0072B2", "#E69F00"
ENEMY_LINE = "#D55E00"  # the orange of ENEMY is too light for lines
HEALTH_BAR, SHIELD_BAR, HEALING = "#009E73", "#56B4E9", "#009E73"
INK, FAINT, GROUND, CLIFF, ROCK = "#1a1a1a", "#9a9a9a", "#ffffff", "#ececec", "#d4d4d4"

# Letter and outline of each type: corners of a regular polygon and the angle of the first; 40 corners are a circle.
MARKS = {
    "Marine": ("M", 40, 0.0),
    "Marauder": ("R", 6, 0.0),
    "Medivac": ("+", 8, np.pi / 8),
    "Stalker": ("S", 4, 0.0),
    "Zealot": ("Z", 4, np.pi / 4),
    "Zergling": ("L", 3, np.pi / 2),
    "Baneling": ("B", 5, np.pi / 2),
    "Hydralisk": ("H", 3, -np.pi / 2),
    "Colossus": ("C", 6, np.pi / 6),
    "SpineCrawler": ("P", 5, -np.pi / 2),
}
OWN_OUTLINE = (7, np.pi / 2)  # of a reader's own types, with their initial
SECONDS_PER_FRAME, SECONDS_OF_LAST_FRAME = 0.2, 2.0
FRAME_WIDTH = 9.6  # inches
DPI = 100
# In map units:
BAR_HEIGHT = 0.17
MARGIN = 1.5  # around the units
LEAST_WIDTH = 18.0
LEAST_HEIGHT = 0.45  # of the width
FOLLOWED = 1.0  # a begun attack follows its target this far beyond the range
SHORTEST, ASIDE = 0.5, 0.1  # least length of an attack's arrow, and its offset to the left


def mark_of(unit_type: str) -> tuple[str, int, float]:
    """Return letter and outline of a unit type, as in MARKS."""
    return MARKS.get(unit_type) or (unit_type[:1].upper(), *OWN_OUTLINE)


def letter_of(unit_type: str) -> str:
    """Return the letter of a unit type."""
    return mark_of(unit_type)[0]


class View(NamedTuple):
    """Visible part of the map, in map units."""

    left: float
    right: float
    bottom: float
    top: float


def battle_view(recording: Recording) -> View:
    """Return the view that contains the whole recorded battle."""
    places = recording.units[..., :2].reshape(-1, 2)
    return _view(recording, np.floor(places.min(0) - MARGIN), np.ceil(places.max(0) + MARGIN))


def map_view(recording: Recording) -> View:
    """Return the view that contains every place where units can be on this map."""
    y, x = np.nonzero(cells(recording, ".^"))
    return _view(recording, np.array([x.min(), y.min()]) - MARGIN, np.array([x.max(), y.max()]) + 1 + MARGIN)


def _view(recording: Recording, low: NDArray[np.float64], high: NDArray[np.float64]) -> View:
    """Return a view around two corners, wide enough for title and key, and not taller than wide."""
    size = len(recording.terrain)
    width = min(max(high[0] - low[0], LEAST_WIDTH), size)
    height = min(max(high[1] - low[1], width * LEAST_HEIGHT), size)
    width = max(width, height)
    x, y = np.clip((low + high) / 2, [width / 2, height / 2], [size - width / 2, size - height / 2])
    return View(x - width / 2, x + width / 2, y - height / 2, y + height / 2)


def cells(recording: Recording, kinds: str) -> NDArray[np.bool_]:
    """Return which cells have one of these kinds of terrain, indexed [y, x]."""
    return np.array([[cell in kinds for cell in row] for row in reversed(recording.terrain)])


def title(recording: Recording, step: int) -> str:
    """Return a title: map, timestep, living units and, at the end, the result."""
    alive = recording.units[step, :, HEALTH] > 0
    agents = recording.n_agents
    text = (
        f"{recording.map_name}, timestep {step} of {recording.length}: "
        f"{alive[:agents].sum()} of {agents} agents, {alive[agents:].sum()} of {len(alive) - agents} enemies"
    )
    if step == recording.length and recording.result != GOES_ON:
        text += f", {recording.result}"
    return text


def draw(axes: Axes, recording: Recording, step: int, view: View, letters: float = 7.0) -> None:
    """Draw the battle after `step` timesteps, with the attacks of the last one.

    Args:
        axes: Axes to draw on.
        recording: The recorded battle.
        step: Number of timesteps, from 0 to the recording's length.
        view: Visible part of the map.
        letters: Size of the units' letters, in points.
    """
    _draw_ground(axes, recording, view)
    _draw_units(axes, recording, step, letters)


def _draw_units(axes: Axes, recording: Recording, step: int, letters: float = 7.0) -> None:
    """Draw everything that changes from step to step."""
    x, y, health, shield = recording.units[step][:, [X, Y, HEALTH, SHIELD]].T
    types = [recording.types[name] for name in recording.unit_types]
    radius = np.array([kind.radius for kind in types])
    mine = np.arange(len(types)) < recording.n_agents
    alive = health > 0

    ranges = [(x[i], y[i], radius[i] + types[i].range, mine[i]) for i in np.flatnonzero(alive)]
    visible = max(0.15, min(0.5, 4 / max(len(ranges), 1)))
    for side, colour, style in ((True, AGENT, "-"), (False, ENEMY_LINE, (0, (4, 3)))):
        circles = [Circle((cx, cy), reach) for cx, cy, reach, whose in ranges if whose == side]
        axes.add_collection(
            PatchCollection(circles, facecolor="none", edgecolor=colour, lw=0.7, ls=style, alpha=visible, zorder=2)
        )

    _draw_attacks(axes, recording, step)

    for i, kind in enumerate(types):
        letter, corners, first = mark_of(recording.unit_types[i])
        size = radius[i] * (1.0 if corners > 5 else 1.15)
        angles = first + 2 * np.pi * np.arange(corners) / corners
        outline = np.column_stack([x[i] + size * np.cos(angles), y[i] + size * np.sin(angles)])
        if not alive[i]:
            axes.add_collection(PolyCollection([outline], facecolor="none", edgecolor=FAINT, lw=0.6, ls=":", zorder=1))
            axes.text(x[i], y[i], "×", color=FAINT, size=letters, ha="center", va="center", zorder=1, clip_on=True)
            continue
        above = 6 if kind.flies else 4
        fill, ink = (AGENT, "white") if mine[i] else (ENEMY, INK)
        axes.add_collection(PolyCollection([outline], facecolor=fill, edgecolor=INK, lw=0.8, zorder=above))
        # Bars stay inside the outline, so that they never cover a neighbour.
        bars = [(health[i] / kind.health, HEALTH_BAR)]
        if kind.shield > 0:
            bars.append((shield[i] / kind.shield, SHIELD_BAR))
        width, tall = 1.2 * radius[i], BAR_HEIGHT * min(1.0, radius[i] / 0.5)
        bottom = y[i] - 0.62 * radius[i]
        for k, (share, colour) in enumerate(bars):
            corner = (x[i] - width / 2, bottom + k * tall)
            axes.add_patch(Rectangle(corner, width, tall, fc="white", ec=INK, lw=0.5, zorder=above + 0.1))
            axes.add_patch(Rectangle(corner, width * share, tall, fc=colour, ec=INK, lw=0.5, zorder=above + 0.2))
        axes.text(
            x[i], (bottom + len(bars) * tall + y[i] + 0.75 * radius[i]) / 2, letter, color=ink, size=letters,
            weight="bold", ha="center", va="center_baseline", zorder=above + 0.3, clip_on=True,
        )  # fmt: skip


def _draw_ground(axes: Axes, recording: Recording, view: View) -> None:
    """Draw terrain and axes."""
    axes.set(xlim=(view.left, view.right), ylim=(view.bottom, view.top), aspect="equal", facecolor=GROUND)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(9, integer=True, steps=[1, 2, 5, 10]))
    for kind, colour in (("#", ROCK), ("^", CLIFF)):
        squares = [Rectangle((x, y), 1, 1) for y, x in np.argwhere(cells(recording, kind))]
        axes.add_collection(PatchCollection(squares, facecolor=colour, edgecolor=colour, lw=0.3, zorder=0))
    axes.tick_params(labelsize=7, length=2, color=FAINT, labelcolor="0.35")
    for spine in axes.spines.values():
        spine.set_color(FAINT)


def _draw_attacks(axes: Axes, recording: Recording, step: int) -> None:
    """Draw an arrow for each attack or healing of the last timestep; it is thin if the unit is still out of range."""
    places = recording.units[step, :, :2]
    types = [recording.types[name] for name in recording.unit_types]
    for i in np.flatnonzero(recording.targets[step] >= 0):
        j = recording.targets[step, i]
        way = places[j] - places[i]
        length = np.hypot(*way)
        if length == 0:  # a healer right above its patient
            continue
        ahead = way / length
        gap = length - types[i].radius - types[j].radius
        reached = gap <= types[i].range + FOLLOWED
        # From edge to edge, with a least visible length. Opposite arrows are moved aside, so that they do not overlap.
        start = places[i] + ahead * min(types[i].radius, (length - SHORTEST) / 2)
        end = places[j] - ahead * min(types[j].radius, (length - SHORTEST) / 2)
        aside = np.array([-ahead[1], ahead[0]]) * ASIDE
        mine = i < recording.n_agents
        colour = HEALING if types[i].heals else AGENT if mine else ENEMY_LINE
        arrow = FancyArrowPatch(
            start + aside,
            end + aside,
            arrowstyle="-|>,head_width=2.6,head_length=4",
            mutation_scale=1,
            shrinkA=0,
            shrinkB=0,
            color=colour,
            lw=0.7 if not reached else 1.4 if gap > SHORTEST else 1.0,
            ls=("-" if mine else (0, (3, 1))) if reached else (0, (1, 2)),
            alpha=1.0 if reached else 0.7,
            zorder=7 if reached else 3,
            path_effects=[Stroke(linewidth=2.6, foreground="white"), Normal()] if reached and gap > SHORTEST else None,
        )
        axes.add_patch(arrow)


def _key(recording: Recording) -> list[Patch | Line2D]:
    """Return the entries of the legend."""
    letters = ", ".join(f"{letter_of(name)} {name}" for name in recording.types)
    key: list[Patch | Line2D] = [
        Line2D([], [], ls="none", label=letters),  # first, because it has no handle
        Patch(fc=AGENT, ec=INK, label="agents"),
        Patch(fc=ENEMY, ec=INK, label="enemies"),
        Patch(fc=HEALTH_BAR, ec=INK, label="health"),
    ]
    if any(kind.shield for kind in recording.types.values()):
        key.append(Patch(fc=SHIELD_BAR, ec=INK, label="shield"))
    key.append(Line2D([], [], color=INK, lw=1.3, marker=">", ms=4, label="attack"))
    if any(kind.heals for kind in recording.types.values()):
        key.append(Line2D([], [], color=HEALING, lw=1.3, marker=">", ms=4, label="healing"))
    key.append(Line2D([], [], color=INK, lw=0.7, ls=":", label="on its way"))
    key.append(Line2D([], [], color=FAINT, lw=0.7, marker="o", mfc="none", ms=8, ls="none", label="weapon range"))
    key.append(Line2D([], [], color=FAINT, marker="x", ms=5, ls="none", label="dead"))
    return key


@own_settings()
def _figure(recording: Recording, view: View, rows: int, width: float) -> tuple[Figure, list[Axes]]:
    """Return a figure of `rows` x `rows` panels in the view's proportions, `width` inches wide, with a legend below."""
    left, right, above, between, below = 0.035, 0.985, 0.3, 0.42, 0.62  # margins: fractions of the width; inches
    panel = width * (right - left) / rows * 0.96 * (view.top - view.bottom) / (view.right - view.left)
    height = round((above + rows * panel + (rows - 1) * between + below) * DPI / 2) * 2 / DPI
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, rows, squeeze=False)
    figure.subplots_adjust(left, below / height, right, 1 - above / height, wspace=0.08, hspace=between / panel)
    figure.legend(
        handles=_key(recording), loc="lower center", ncols=12, frameon=False, fontsize=7.5, handlelength=1.4,
        columnspacing=1.1, handletextpad=0.5, borderaxespad=0.2,
    )  # fmt: skip
    engine = f"{recording.engine} engine version {recording.engine_version}"
    figure.text(
        0.5, 0.3 / height, f"{recording.policy}, battle seed {recording.seed}, {engine}",
        ha="center", va="center", size=7.5, color="0.35",
    )  # fmt: skip
    return figure, list(axes.flat)


def picture(recording: Recording, step: int) -> NDArray[np.uint8]:
    """Return a picture (height, width, 3) of the whole map after `step` timesteps; negative: from the end."""
    return next(pictures(recording, [step % (recording.length + 1)], map_view(recording)))


def pictures(recording: Recording, steps: Iterable[int], view: View) -> Iterator[NDArray[np.uint8]]:
    """Yield a picture (height, width, 3) for each of these timesteps."""
    figure, (axes,) = _figure(recording, view, 1, FRAME_WIDTH)
    with own_settings():
        _draw_ground(axes, recording, view)
    ground = set(axes.collections)
    for step in steps:
        yield _frame(figure, axes, recording, step, ground)


@own_settings()
def _frame(
    figure: Figure, axes: Axes, recording: Recording, step: int, ground: AbstractSet[Artist]
) -> NDArray[np.uint8]:
    for artist in (*axes.collections, *axes.patches, *axes.texts):
        if artist not in ground:
            artist.remove()
    _draw_units(axes, recording, step)
    axes.set_title(title(recording, step), size=10, loc="left")
    return _pixels(figure)


def still_moments(recording: Recording) -> tuple[int, int, int, int]:
    """Return four timesteps: the beginning, the first damage, half of all damage, and the end."""
    points = recording.units[:, :, HEALTH].sum(1) + recording.units[:, :, SHIELD].sum(1)
    harm = np.maximum.accumulate(points[0] - points)
    contact = int((harm > 0).argmax()) if harm[-1] > 0 else recording.length // 3
    middle = int((harm >= harm[-1] / 2).argmax()) if harm[-1] > 0 else 2 * recording.length // 3
    return 0, contact, middle, recording.length


@own_settings()
def still(recording: Recording) -> NDArray[np.uint8]:
    """Return a picture (height, width, 3) of the four timesteps of `still_moments`."""
    view = battle_view(recording)
    figure, panels = _figure(recording, view, 2, 1.5 * FRAME_WIDTH)
    for axes, step in zip(panels, still_moments(recording), strict=True):
        draw(axes, recording, step, view, letters=5.5)
        axes.set_title(title(recording, step), size=9, loc="left")
    return _pixels(figure)


def _pixels(figure: Figure) -> NDArray[np.uint8]:
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def render(recording: Recording, directory: Path) -> None:
    """Write still.png, battle.gif and frames/NNN.png of a recording into an existing folder."""
    _write_png(directory / "still.png", still(recording))
    frames = directory / "frames"
    frames.mkdir(exist_ok=True)
    for old in frames.glob("[0-9][0-9][0-9].png"):  # frames of a longer recording
        old.unlink()
    images = []
    for step, pixels in enumerate(pictures(recording, range(recording.length + 1), battle_view(recording))):
        _write_png(frames / f"{step:03d}.png", pixels)
        images.append(Image.fromarray(pixels).quantize(64, dither=Image.Dither.NONE))
    milliseconds = [int(1000 * SECONDS_PER_FRAME)] * len(images)
    milliseconds[-1] = int(1000 * SECONDS_OF_LAST_FRAME)
    with atomic_path(directory / "battle.gif") as beside:
        images[0].save(beside, "GIF", save_all=True, append_images=images[1:], duration=milliseconds, loop=0)


def _write_png(target: Path, pixels: NDArray[np.uint8]) -> None:
    with atomic_path(target) as beside:
        Image.fromarray(pixels).save(beside, "PNG")
