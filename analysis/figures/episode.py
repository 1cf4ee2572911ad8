"""Roles and battlefield at moments of one episode (figures 1, 3, 7, 10 and 12)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis import style
from analysis.figures.parts import rolepanel, rolespace, rolestatistics
from analysis.figures.parts.rolespace import LETTERS, panels
from analysis.measures import moments, nulls, roles
from analysis.measures.rollouts import ROLE_COLUMNS
from roma.scenarios.actions import FIRST_TARGET

__all__ = ["data", "draw", "panels"]

WIDTH, SINGLE_WIDTH = 2.35, 3.3  # inches; one of several columns of panels, and a single one, as wide as a text column
TITLE_HEIGHT, BATTLE_HEIGHT, KEY_HEIGHT = 0.38, 1.6, 0.42
ROLES_HEIGHT, SINGLE_ROLES_HEIGHT = 2.4, 2.9
ABSENT_HEIGHT = 0.7  # of all panels, if none of them is drawn
DEAD_ACTION, STOP_ACTION = 0, 1
GROUPS = 2  # groups of roles


def data(summary: Path, specification: dict[str, Any], metrics: Sequence[str]) -> pd.DataFrame:
    """Return the units at each moment shown: rows of the table `episodes` with panel, by, group and duty.

    `by` is the property that sets the colours. A panel whose run or moment is missing has one row, with t = NaN.

    Args:
        summary: Folder of the tidy tables.
        specification: Entry of the figure list.
        metrics: Not used.
    """
    shown = rolespace.read(summary, specification)
    (arm,) = specification["arms"]
    parts = []
    for map_name in specification["maps"]:
        run = shown[shown["map"] == map_name]
        whole = run[run["step"] == run["step"].max()]
        for moment in specification["moments"][map_name]:
            found = _moment(whole, moment) if len(whole) else None
            panel = moments.name(moment)
            if found is None:
                reason = rolespace.UNREACHED if len(whole) else rolespace.MISSING
                parts.append(rolespace.missing(map_name, arm, panel, reason))
            else:
                at = whole[whole["t"] == found]
                parts.append(
                    _described(at, whole, specification).assign(panel=panel, by=specification["colours"][map_name])
                )
    return pd.concat(parts, ignore_index=True)


def _moment(episode: pd.DataFrame, moment: moments.Moment) -> int | None:
    """Return the t of a moment in an episode; None if the episode does not reach it."""
    agents = episode[episode["is_agent"].astype(bool)]
    alive = agents.pivot_table(index="t", columns="unit", values="health").to_numpy() > 0
    index = moments.locate(moment, alive, agents.drop_duplicates("unit").sort_values("unit")["type"].tolist())
    return None if index is None else index + 1


def _described(at: pd.DataFrame, episode: pd.DataFrame, specification: dict[str, Any]) -> pd.DataFrame:
    """Add the groups of living agents and their further behaviour, if the specification asks for `responsibilities`.

    Groups are found by k-means on the roles. `silhouette` is their silhouette, `structureless` the mean silhouette of
    normal roles with the same mean and covariance.
    """
    if not specification.get("responsibilities"):
        return at
    living = (at["is_agent"].astype(bool) & (at["health"] > 0)).to_numpy()
    points, counted = at.loc[living, ROLE_COLUMNS].to_numpy(float)[None], np.ones((1, living.sum()), bool)
    labels = roles.clusters(points, counted, GROUPS)[0]
    order = list(dict.fromkeys(labels.tolist()))  # the group of the first agent comes first
    names = pd.Series([f"group {order.index(label) + 1}" for label in labels.tolist()], at.index[living])
    later = episode[episode["t"] >= at["t"].iloc[0]]
    duties = {name: _duty(later[later["unit"].isin(at.loc[names.index[names == name], "unit"])]) for name in set(names)}
    rng = np.random.default_rng(0)
    drawn = [nulls.structureless(points, counted, rng)[0] for _ in range(nulls.DRAWS)]
    return at.assign(
        group=names,
        duty=names.map(duties),
        silhouette=rolestatistics.silhouette(points[0], labels),
        structureless=np.mean(
            [rolestatistics.silhouette(each, roles.clusters(each[None], counted, GROUPS)[0]) for each in drawn]
        ),
    )


def _duty(of_group: pd.DataFrame) -> str:
    """Return the shares of actions that the living agents of a group take, and the number of agents that die."""
    decisions = of_group[(of_group["health"] > 0) & (of_group["action"] > DEAD_ACTION)]["action"]
    total = max(len(decisions), 1)
    attack = (decisions >= FIRST_TARGET).sum() / total
    still = (decisions == STOP_ACTION).sum() / total
    dead = of_group.groupby("unit")["health"].min() <= 0
    return (
        f"attack or heal {attack:.0%}, move {1 - attack - still:.0%}, hold {still:.0%}; {dead.sum()} of {len(dead)} die"
    )


def draw(frame: pd.DataFrame) -> Figure:
    """Draw a frame of `data` or one of its panels: for each moment its roles, and below them the battlefield."""
    style.apply()
    shown = [units for _, units in frame.groupby(["map", "panel"], sort=False)]
    single = len(shown) == 1
    across, roles_height = (SINGLE_WIDTH, SINGLE_ROLES_HEIGHT) if single else (WIDTH, ROLES_HEIGHT)
    width = across * len(shown)
    lines = style.wrapped(rolespace.caption(frame) + _explained(frame), width)
    duties = [_duties(units) for units in shown]
    foot = rolespace.LINE * len(lines) + 0.1
    under = rolespace.LINE * max(map(len, duties)) + 0.06
    drawn = bool(frame["t"].notna().any())
    content = roles_height + BATTLE_HEIGHT if drawn else ABSENT_HEIGHT
    height = TITLE_HEIGHT + content + under + (KEY_HEIGHT if drawn else 0) + foot
    figure = Figure(figsize=(width, height))

    for place, units in enumerate(shown):
        left, top = place * across, height - TITLE_HEIGHT
        title = rolespace.title(units, "" if single else LETTERS[place])
        rolespace.draw_title(figure, left + across / 2, top, title)
        if rolespace.is_missing(units):
            axes = rolespace.add_axes(figure, left + 0.12, top - content + 0.05, across - 0.24, content - 0.1)
            rolespace.absent_panel(axes, units)
            continue
        by = units["by"].iloc[0]
        limits = rolespace.role_limits(frame[frame["map"] == units["map"].iloc[0]])
        rolepanel.draw(figure, (left + 0.08, top - roles_height, across - 0.16, roles_height), units, by, limits)
        box = left + 0.12, top - content + 0.05, across - 0.24, BATTLE_HEIGHT - 0.15
        rolespace.draw_battlefield(rolespace.add_axes(figure, *box), units, by)
        figure.text(
            (left + across / 2) / width, (top - content - 0.02) / height, "\n".join(duties[place]),
            ha="center", va="top", fontsize=5.8, linespacing=1.35,
        )  # fmt: skip
    if drawn:
        rolespace.draw_key(figure, frame, foot + 0.06)
    rolespace.draw_caption(figure, lines)
    return figure


def _duties(units: pd.DataFrame) -> list[str]:
    """Return the lines below a panel: the silhouette of the groups, then the agents and actions of each group."""
    if "duty" not in units or units["duty"].isna().all():
        return []
    agents = units[units["duty"].notna()]
    clear, chance = agents[["silhouette", "structureless"]].iloc[0]
    return [
        f"two groups of roles: silhouette {clear:.2f} (null: {chance:.2f})",
        *(
            line
            for group, part in agents.groupby("group", sort=True)
            for line in (f"{group}: {_members(part, len(agents))}", part["duty"].iloc[0])
        ),
    ]


def _members(group: pd.DataFrame, living: int) -> str:
    """Return the numbers of a group's agents, or how many there are if marks have no numbers."""
    if living > rolespace.CROWD:
        return f"{len(group)} of {living} agents"
    return style.ranges(group["unit"].to_numpy(int))


def _explained(frame: pd.DataFrame) -> list[str]:
    """Return the lines of the caption that explain time, arrows, colours and groups."""
    if frame["t"].isna().all():
        return []
    by = set(frame["by"].dropna())
    lines = [
        "role means at decision t, counted from 1; grey lines: projection onto the floor; arrows: targets of attack or"
        " heal",
        rolepanel.EXPLAINED,
    ]
    if "type" in by:
        lines[0] += "; paler colours: less health"
    if "duty" in frame and frame["duty"].notna().any():
        lines.append(
            "below each panel: two groups of living agents by k-means on their roles, with their silhouette, the mean"
            " silhouette of normal roles with the same covariance (null), and the actions of each group until the end"
        )
    return lines
