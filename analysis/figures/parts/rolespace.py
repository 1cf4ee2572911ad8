"""Shared parts of role figures: colours of agents, the battlefield, roles in three dimensions, captions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import LinearLocator, NullFormatter
from mpl_toolkits.mplot3d import Axes3D, proj3d
from numpy.typing import NDArray

from analysis import style
from analysis.measures.rollouts import ROLE_COLUMNS, RULES
from analysis.summarise import facts_of, joined
from roma.scenarios import SIZE, load_map, load_units

DEAD, ENEMY = "#c1121f", "0.45"
DEAD_MARK, HEALTHIEST_MARK = "X", "D"
HEALTH = LinearSegmentedColormap.from_list("health", ["#f4f1ea", "#9cc3df", "#08519c"])  # by the share of health
INK, GROUND, ROCK = "0.1", "1", "0.86"
CARDINAL = colormaps["cividis"]  # from south to north
MARK_POINTS, CROWD_POINTS = 7.5, 4.6  # width of an agent's mark, in print
CROWD = 15  # agents; larger teams have small marks without numbers
SECOND_GROUP = 1.4  # points; width of the outline of the second group, of all others OUTLINE
OUTLINE = 0.5
NEAR, APART = 5.0, 6.5  # points; agents closer than NEAR share a label, agents at least APART from all have it inside
LABEL_POINTS = 5.2  # size of a label beside marks
# Candidate offsets of a label from the centre of its marks: near before far, above before below.
PLACES = [
    (radius * np.cos(angle), radius * np.sin(angle))
    for radius in (8, 12, 17, 23, 30, 38)
    for angle in np.pi / 2 + np.array([0, 1, -1, 2, -2, 3, -3, 4]) * np.pi / 4
]
MARGIN = 1.6  # map units around the units shown on a battlefield
ROOM = 0.08  # margin around the roles, as a share of their range
LINE = 0.118  # inches; height of a line of the caption
VIEW = {"elev": 22, "azim": -58}
LEADER: dict[str, Any] = {"arrowstyle": "-", "lw": 0.5, "color": INK, "shrinkA": 0, "shrinkB": 0, "relpos": (0.5, 0.5)}
HALO = [Stroke(linewidth=1.6, foreground="white"), Normal()]
LETTERS = "abcdefgh"  # of panels
MISSING, UNREACHED = "not run yet", "not reached in the shown episode"
Box = tuple[float, ...]  # left, bottom, right, top


def read(summary: Path, specification: dict[str, Any]) -> pd.DataFrame:
    """Return the episodes of the shown seed on each map of a specification with one arm, with the facts of the runs."""
    (arm,) = specification["arms"]
    episodes = pd.read_parquet(summary / "episodes.parquet")
    chosen = episodes["shown"].astype(bool) & (episodes["arm"] == arm) & episodes["map"].isin(specification["maps"])
    runs, one = pd.read_parquet(summary / "runs.parquet"), ["map", "arm", "seed"]
    facts = facts_of(summary, runs, one).merge(runs[[*one, "total_steps"]])
    return episodes[chosen].merge(facts, "left", one)


def missing(map_name: str, arm: str, panel: str, reason: str = MISSING) -> pd.DataFrame:
    """Return the single row of a panel whose run or moment is missing."""
    return pd.DataFrame([{"map": map_name, "arm": arm, "panel": panel, "t": np.nan, "missing": reason}])


def panels(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each map, which are also drawn as a single file."""
    return {str(name): part for name, part in frame.groupby("map", sort=False)}


def is_missing(units: pd.DataFrame) -> bool:
    """Return whether the run or the moment of a panel is missing."""
    return bool(units["t"].isna().all())


def coloured(units: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return the agents among the units of a moment with colour `fill` and marker `mark`.

    The columns `points` and `outline` are the widths of the mark and of its outline, which is bold for group 2.

    Args:
        units: Rows of the table `episodes` at one moment.
        by: Property that sets the colours: "type", "health", "position", or "role" (the column `role_fill`).
    """
    agents = units[units["is_agent"].astype(bool)].copy()
    alive = agents["health"] > 0
    share = health_share(agents)
    if by == "type":
        agents["fill"] = [
            _lighter(style.unit_type(kind)[0], left) for kind, left in zip(agents["type"], share, strict=True)
        ]
        agents["mark"] = [style.unit_type(kind)[1] for kind in agents["type"]]
    elif by == "role":
        agents["fill"] = agents["role_fill"]
        agents["mark"] = [style.unit_type(kind)[1] for kind in agents["type"]]
    elif by == "position":
        south = (agents["y"] - agents["y"].min()) / max(np.ptp(agents["y"]), 1e-9)
        agents["fill"] = [to_hex(CARDINAL(value)) for value in south]
        agents["mark"] = [style.unit_type(kind)[1] for kind in agents["type"]]
    else:
        agents["fill"], agents["mark"] = [to_hex(HEALTH(left)) for left in share], "o"
        best = share == share.max()
        if best.sum() == 1 and alive.sum() > 1:
            agents.loc[best, "mark"] = HEALTHIEST_MARK
    agents.loc[~alive, "fill"], agents.loc[~alive, "mark"] = DEAD, DEAD_MARK
    second = agents["group"] == "group 2" if "group" in agents else False
    return agents.assign(points=mark_points(len(agents)), outline=np.where(second, SECOND_GROUP, OUTLINE))


def mark_points(agents: int) -> float:
    """Return the width of an agent's mark in a team of this size."""
    return CROWD_POINTS if agents > CROWD else MARK_POINTS


def health_share(units: pd.DataFrame) -> pd.Series:
    """Return health and shield as a share of the maximum of the unit type."""
    return (units["health"] + units["shield"]) / (units["max_health"] + units["max_shield"])


def _lighter(colour: Any, share: float) -> str:
    """Return the colour for a share of health: unchanged at full health, paler below."""
    strength = 0.35 + 0.65 * share
    red, green, blue = (1 - strength * (1 - part) for part in to_rgb(colour))
    return to_hex((red, green, blue))


def key(frame: pd.DataFrame, enemies: bool) -> list[Line2D]:
    """Return the legend entries for the marks of all panels of a frame.

    Args:
        frame: Frame of a figure; its column `by` is the property that sets the colours.
        enemies: Whether enemies are drawn.
    """
    drawn = [coloured(units, units["by"].iloc[0]) for _, units in frame[frame["t"].notna()].groupby(["map", "panel"])]
    agents = pd.concat(drawn)
    by = dict(list(agents[agents["mark"] != DEAD_MARK].groupby("by", sort=False)))
    entries: list[tuple[str, Any, str]] = []
    if "health" in by:
        entries += [(name, HEALTH(left), "o") for name, left in (("full health", 1.0), ("half", 0.5), ("little", 0.0))]
        if HEALTHIEST_MARK in set(by["health"]["mark"]):
            entries.append(("healthiest agent", "white", HEALTHIEST_MARK))
    if "type" in by:
        entries += [(kind, *style.unit_type(kind)) for kind in by["type"]["type"].unique()]
    if "position" in by:
        of_places = (("southernmost agent", 0.0), ("centre", 0.5), ("northernmost agent", 1.0))
        entries += [(where, CARDINAL(at), "o") for where, at in of_places]
    if (agents["mark"] == DEAD_MARK).any():
        entries.append(("dead agent", DEAD, DEAD_MARK))
    filled = [
        Line2D([], [], ls="none", marker=mark, ms=6, mfc=colour, mec=INK, mew=OUTLINE, label=label)
        for label, colour, mark in entries
    ]
    if (agents["outline"] == SECOND_GROUP).any():
        bold: dict[str, Any] = {"marker": "o", "mfc": "none", "mec": INK, "mew": SECOND_GROUP}
        filled.append(Line2D([], [], ls="none", ms=6, label="bold outline: group 2", **bold))
    enemy = Line2D([], [], ls="none", marker="o", ms=6, mfc="none", mec=ENEMY, mew=1.0, label="enemy")
    return [*filled, enemy] if enemies else filled


def draw_key(figure: Figure, frame: pd.DataFrame, bottom: float, enemies: bool = True) -> None:
    """Draw the legend, `bottom` inches above the lower edge."""
    handles = key(frame, enemies)
    rows = -(-len(handles) // max(int(figure.get_figwidth() / 0.95), 1))
    figure.legend(
        handles=handles, loc="lower center", bbox_to_anchor=(0.5, bottom / figure.get_figheight()),
        ncols=-(-len(handles) // rows), fontsize=6.5, handletextpad=0.1, columnspacing=1.0, borderaxespad=0,
    )  # fmt: skip


def draw_battlefield(axes: Axes, units: pd.DataFrame, by: str, seen: pd.DataFrame | None = None) -> None:
    """Draw the positions of all units to scale, with arrows from agents to the targets of their attacks or heals.

    Args:
        axes: Where to draw.
        units: Rows of the table `episodes` at one moment.
        by: Property that sets the colours (see `coloured`).
        seen: Units whose agents and living enemies the view must contain; by default `units`.
    """
    scenario, alive = load_map(units["map"].iloc[0]), units["health"] > 0
    ground = np.array([[scenario.is_walkable((x, y)) for x in range(SIZE)] for y in range(SIZE)], float)
    axes.imshow(ground, origin="lower", extent=(0, SIZE, 0, SIZE), cmap="gray", vmin=-6, vmax=1)
    for unit in units[~units["is_agent"].astype(bool) & alive].to_dict("records"):
        size = load_units()[unit["type"]].radius
        axes.add_patch(Circle((unit["x"], unit["y"]), size, facecolor="none", edgecolor=ENEMY, lw=0.9, zorder=2))
    agents = coloured(units, by)
    places = units.set_index("unit")[["x", "y"]].astype(float)
    for agent in agents.to_dict("records"):
        start = agent["x"], agent["y"]
        look = {"ms": agent["points"], "mfc": agent["fill"], "mec": INK, "mew": agent["outline"]}
        axes.plot(*start, agent["mark"], zorder=4 + (agent["health"] > 0), **look)
        if agent["target"] >= 0 and agent["health"] > 0:
            end = tuple(places.loc[agent["target"]])
            axes.annotate(
                "", end, start, arrowprops={"arrowstyle": "-|>", "mutation_scale": 5, "lw": 0.6, "color": "0.35"}
            )
    seen = units if seen is None else seen
    held = seen.loc[(seen["health"] > 0) | seen["is_agent"].astype(bool), ["x", "y"]].to_numpy(float)
    low, high = held.min(0) - MARGIN, held.max(0) + MARGIN
    box = axes.get_window_extent()
    middle, width = (low + high) / 2, max(high[0] - low[0], (high[1] - low[1]) * box.width / box.height)
    height = width * box.height / box.width
    axes.set_xlim(middle[0] - width / 2, middle[0] + width / 2)
    axes.set_ylim(middle[1] - height / 2, middle[1] + height / 2)
    _number(axes, agents, agents[["x", "y"]].to_numpy(float))
    axes.set(xticks=[], yticks=[], facecolor=ROCK)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set(visible=True, color="0.6", linewidth=0.6)


def draw_roles(axes: Axes3D, units: pd.DataFrame, by: str, limits: NDArray[np.float64]) -> None:
    """Draw the role means of the agents in three dimensions; limits (2, 3) of the axes.

    Only distances between roles have a meaning, so the axes have no numbers.
    """
    agents = coloured(units, by)
    points = agents[ROLE_COLUMNS].to_numpy(float)
    axes.view_init(**VIEW)
    axes.set_box_aspect((1, 1, 1), zoom=1.0)
    axes.set(xlim=limits[:, 0], ylim=limits[:, 1], zlim=limits[:, 2])
    for point in points:
        axes.plot(*np.stack([point, [*point[:2], limits[0, 2]]]).T, color="0.75", lw=0.5, zorder=1)
    for agent, point in zip(agents.to_dict("records"), points, strict=True):
        look = {"ms": agent["points"], "mfc": agent["fill"], "mec": INK, "mew": agent["outline"]}
        axes.plot(*point[:, None], agent["mark"], zorder=3, **look)
    for name, axis in zip("123", (axes.xaxis, axes.yaxis, axes.zaxis), strict=True):
        axis.set_major_locator(LinearLocator(5))
        axis.set_major_formatter(NullFormatter())
        axis.set_label_text(f"role {name}", fontsize=6.5)
        axis.labelpad = -14
        axis.set_pane_color((0.97, 0.97, 0.97, 1))
    projected = np.stack(proj3d.proj_transform(*points.T, axes.get_proj())[:2], -1)
    _number(axes, agents, projected)


def role_limits(units: pd.DataFrame) -> NDArray[np.float64]:
    """Return limits (2, 3) of equally long axes that contain all role means of the units."""
    points = units[ROLE_COLUMNS].dropna().to_numpy(float)
    middle = (points.min(0) + points.max(0)) / 2
    half = max(float(np.ptp(points, axis=0).max()) * (0.5 + ROOM), 1e-6)
    return np.stack([middle - half, middle + half])


def _number(axes: Axes, agents: pd.DataFrame, places: NDArray[np.float64]) -> None:
    """Write the agents' numbers on their marks, or one shared label beside marks that overlap; none in a crowd."""
    if len(agents) > CROWD:
        return
    figure = axes.get_figure(root=True)
    assert figure is not None
    to_points = 72 / figure.dpi
    in_points = axes.transData.transform(places) * to_points
    numbers, fills = agents["unit"].to_numpy(int), agents["fill"].to_list()
    gaps = np.linalg.norm(in_points[:, None] - in_points, axis=-1)
    np.fill_diagonal(gaps, np.inf)
    leaders: dict[int, list[int]] = {}
    for place in range(len(in_points)):
        near = [leader for leader in leaders if gaps[leader, place] < NEAR]
        leaders.setdefault(near[0] if near else place, []).append(place)
    taken = [(*(point - MARK_POINTS / 2), *(point + MARK_POINTS / 2)) for point in in_points]
    bounds = tuple(np.array(axes.get_window_extent().extents) * to_points)
    for leader, members in leaders.items():
        if gaps[leader].min() >= APART:
            ink = "white" if sum(to_rgb(fills[leader])) < 1.4 else INK
            style_of: dict[str, Any] = {"ha": "center", "va": "center_baseline", "color": ink, "fontsize": 4.6}
            axes.annotate(str(numbers[leader]), places[leader], zorder=9, annotation_clip=False, **style_of)
        else:
            text = style.ranges(numbers[members])
            middle = in_points[members].mean(0)
            offset = _free_place(middle, text, taken, bounds)
            axes.annotate(
                text, places[members].mean(0), offset, textcoords="offset points", ha="center", va="center_baseline",
                fontsize=LABEL_POINTS, color=INK, zorder=9, annotation_clip=False, path_effects=HALO, arrowprops=LEADER,
            )  # fmt: skip


def _free_place(middle: NDArray[np.float64], text: str, taken: list[Box], bounds: Box) -> tuple[float, float]:
    """Return the offset of a label that overlaps least with `taken` and the outside of `bounds`; add it to `taken`."""
    half = np.array([0.3 * LABEL_POINTS * len(text), 0.55 * LABEL_POINTS])
    boxes = [(*(middle + place - half), *(middle + place + half)) for place in PLACES]
    area = 4 * half.prod()
    hidden = [sum(_common(box, other) for other in taken) + area - _common(box, bounds) for box in boxes]
    best = int(np.argmin(np.round(hidden, 3)))
    taken.append(boxes[best])
    return PLACES[best]


def _common(one: Box, other: Box) -> float:
    """Return the area that two boxes share."""
    width, height = (min(one[axis + 2], other[axis + 2]) - max(one[axis], other[axis]) for axis in (0, 1))
    return float(max(width, 0) * max(height, 0))


def absent_panel(axes: Axes, units: pd.DataFrame) -> None:
    """Draw a placeholder for a panel whose run or moment is missing."""
    row = units.iloc[0]
    text = f"{row['missing']}:\n{style.label(row['arm'])} on {row['map']}"
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=7, color="0.3", transform=axes.transAxes)
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set(visible=True, color="0.75", linewidth=0.6, linestyle=(0, (3, 2)))


def add_axes(figure: Figure, left: float, bottom: float, width: float, height: float, **keywords: Any) -> Any:
    """Add axes at a place given in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up), **keywords)


def title(units: pd.DataFrame, letter: str) -> str:
    """Return the two title lines of a panel: its letter, if there are several panels, its map and its moment."""
    return f"{f'({letter}) ' if letter else ''}{units['map'].iloc[0]}\n{units['panel'].iloc[0]}"


def draw_title(figure: Figure, middle: float, bottom: float, title: str) -> None:
    """Draw the two title lines above a panel, at a place given in inches."""
    across, up = figure.get_size_inches()
    figure.text(middle / across, (bottom + 0.02) / up, title, ha="center", fontsize=7.5, linespacing=1.3)


def draw_caption(figure: Figure, lines: Sequence[str]) -> None:
    """Draw the caption at the foot of the figure."""
    foot = 0.06 / figure.get_figheight()
    figure.text(0.5, foot, "\n".join(lines), ha="center", va="bottom", fontsize=6, color="0.25", linespacing=1.4)


def caption(frame: pd.DataFrame) -> list[str]:
    """Return the caption lines of all role figures: engine, scale, protocol, inputs, runs, episodes, missing runs."""
    drawn = frame[frame["t"].notna()]
    lines = []
    if len(drawn):
        facts = f"scale {drawn['scale'].iloc[0]}; protocol {joined(drawn['protocol'])}"
        lines.append(f"{joined(drawn['engine'])}; {facts}; inputs {drawn['inputs'].iloc[0][:8]}")
    runs = drawn.groupby(["map", "arm", "seed"], sort=False) if len(drawn) else ()
    for (map_name, arm, seed), run in runs:
        last = run[run["step"] == run["step"].max()].iloc[0]
        lines.append(
            f"{map_name}: {style.label(str(arm))}, one run, seed {seed:.0f} (median final evaluation), "
            f"{last['total_steps']:,.0f} steps; recorded greedy episode {last['episode']:.0f}: "
            f"{RULES.get(last['rule'], last['rule'])}"
        )
    absent = frame[frame["t"].isna()]
    for reason, of_reason in absent.groupby("missing", sort=False) if len(absent) else ():
        cells = of_reason[["map", "arm"]].drop_duplicates().to_numpy()
        lines.append(f"{reason}: {', '.join(f'{style.label(str(arm))} on {name}' for name, arm in cells)}")
    return lines
