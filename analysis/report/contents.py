"""Contents of the report, read from the tables of the summary and from the files of figures and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import figure_list, style
from analysis.measures.rollouts import RULES
from analysis.report import mathematics
from analysis.statistics import student_interval
from analysis.summarise import inputs_digest, planned_cells, planned_runs, scale_of, withheld
from roma.support.errors import UserError

NEEDED = ("runs", "curves", "intervals", "finals")
OPTIONAL = {  # tables that may be missing, with their names in the list of missing results
    "cost": "wall times and memory",
    "roles": "measures of roles over training",
    "episodes": "recorded episodes with roles",
}
OF_ROLES = ("roles", "episodes")
CLAIMS = "claims"
OPENING, RISE = ("test_battle_won_mean", "test_return_mean"), 0.05
KINDS = (".png", ".pdf", ".csv", ".md", ".tex")
ROLE_AXES = ["role_0", "role_1", "role_2"]
MOVING = {"x": 2, "y": 2, "health": 1, "shield": 1, "target": 0}  # columns that change over time, with their decimals


@dataclass(frozen=True)
class Picture:
    """Figure or table, from the figure list or found beside the listed files; `files` is empty if it was not made."""

    name: str
    title: str
    is_table: bool
    files: list[Path]  # of the whole figure or table
    parts: list[Path]  # of single panels

    def file(self, kind: str) -> Path | None:
        """Return the file with a suffix, such as "png"; None if there is none."""
        return next((file for file in self.files if file.suffix == f".{kind}"), None)


@dataclass(frozen=True)
class Contents:
    """All contents of the report."""

    scale: str
    digest: str  # of the summary, as in captions
    tables: dict[str, pd.DataFrame]
    figures: list[Picture]
    listings: list[Picture]  # tables
    claims: pd.DataFrame | None
    claims_files: list[Path]
    videos: list[Path]
    data: dict[str, Any]  # input of the script
    planned: int  # number of runs that the scale trains, now or later
    withheld: str  # reason why roles and verdicts are not shown; empty if they are

    @property
    def missing(self) -> list[str]:
        """Names of all missing results."""
        lines = [f"{words} (table {name})" for name, words in OPTIONAL.items() if name not in self.tables]
        if self.withheld:
            lines.append(f"roles and verdicts: withheld {self.withheld}")
        wanted = (*self.figures, *self.listings)
        lines += [f"{picture.name}: {picture.title}" for picture in wanted if not picture.files]
        return lines + (["verdicts on the paper's claims (claims.csv)"] if self.claims is None else [])


def read(summary: Path, figures: Path, listed: Path) -> Contents:
    """Read the contents of the report.

    Args:
        summary: Folder of the tidy tables.
        figures: Folder of the figures and tables.
        listed: Figure list (YAML).

    Raises:
        UserError: A table of the summary is missing.
    """
    for name in NEEDED:
        if not (summary / f"{name}.parquet").exists():
            raise UserError(f"{summary / name}.parquet is missing: `roma summarise` writes it")
    files = {name: summary / f"{name}.parquet" for name in (*NEEDED, *OPTIONAL)}
    found_tables = {name: pd.read_parquet(file) for name, file in files.items() if file.exists()}
    reason = withheld(summary)
    shown = {name: table for name, table in found_tables.items() if not (reason and name in OF_ROLES)}
    tables = {name: table for name, table in shown.items() if name in NEEDED or len(table)}
    planned = planned_cells(summary)
    style.introduce(arm for _, arm in planned)
    specifications = figure_list.read(listed, planned)
    found = {picture.name: picture for picture in pictures(figures, specifications)}
    claims = found.pop(CLAIMS, None)
    verdicts = claims.file("csv") if claims else None
    return Contents(
        scale=scale_of(summary),
        digest=inputs_digest(summary),
        tables=tables,
        figures=[picture for picture in found.values() if not picture.is_table],
        listings=[picture for picture in found.values() if picture.is_table],
        claims=pd.read_csv(verdicts, dtype=str, keep_default_na=False) if verdicts else None,
        claims_files=claims.files if claims else [],
        videos=sorted((figures / "videos").glob("*.gif")),
        data=data(tables),
        planned=planned_runs(summary),
        withheld=reason,
    )


def pictures(folder: Path, specifications: Mapping[str, figure_list.Entry]) -> list[Picture]:
    """Return the figures and tables of the list, in its order, then all others in the folder.

    Args:
        folder: Folder of the figures and tables; single panels are named <name>_<map>.
        specifications: Entries of the figure list, by name.
    """
    of_stem: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix in KINDS:
            of_stem.setdefault(file.stem, []).append(file)

    def picture(name: str) -> Picture:
        files = of_stem.get(name, [])
        drawn = any(file.suffix == ".png" for file in files)
        specification = specifications.get(name, {} if drawn else {"table": name})
        order = [f"{name}_{map_name}" for map_name in specification.get("maps", [])]
        panels = [stem for stem in of_stem if stem.startswith(f"{name}_") and stem not in specifications]
        panels.sort(key=lambda stem: order.index(stem) if stem in order else len(order))
        parts = [file for stem in panels for file in of_stem[stem]]
        return Picture(name, specification.get("title", ""), "table" in specification, files, parts)

    listed = [picture(name) for name in specifications]
    taken = {file.stem for one in listed for file in (*one.files, *one.parts)}
    return [*listed, *(picture(stem) for stem in of_stem if stem not in taken)]


def data(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Return the input of the script: series over training, and episodes."""
    series = [*curves(tables["intervals"], tables["curves"]), *role_measures(tables.get("roles"))]
    known = list(style.ARMS)
    series.sort(key=lambda one: known.index(one["arm"]) if one["arm"] in known else len(known))
    names = dict.fromkeys(one["metric"] for one in series)
    return {
        "arms": {arm: named(arm) for arm in dict.fromkeys(one["arm"] for one in series)},
        "maps": list(dict.fromkeys(tables["runs"]["map"])),
        "metrics": {name: mathematics.plain(style.METRICS.get(name, name.replace("_", " "))) for name in names},
        "opening": opening(series),
        "series": series,
        "episodes": episodes(tables.get("episodes")),
    }


def named(arm: str) -> dict[str, Any]:
    """Return the look of an arm, its label as plain text, and the parts of the label with their HTML elements."""
    label = style.label(arm)
    return {**style.web(arm), "label": mathematics.plain(label), "parts": mathematics.parts(label)}


def opening(series: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the map and the metric with which the chart opens: those of the largest rise, summed over the arms.

    The win rate is preferred, if it rises by at least RISE; otherwise the test return. The rise of an arm is the mean
    of the last tenth of its means less that of the first tenth.
    """
    for metric in OPENING:
        rises: dict[str, float] = {}
        for one in (each for each in series if each["metric"] == metric):
            values = [value for value in one["mean"] if value is not None]
            tenth = -(-len(values) // 10)
            rise = np.mean(values[-tenth:]) - np.mean(values[:tenth]) if values else 0.0
            rises[one["map"]] = rises.get(one["map"], 0.0) + float(rise)
        largest = max(rises, key=lambda name: rises[name], default="")
        if rises.get(largest, 0.0) >= RISE:
            return {"map": largest, "metric": metric}
    return {}


def curves(intervals: pd.DataFrame, tests: pd.DataFrame) -> list[dict[str, Any]]:
    """Return one series per map, metric and arm: steps, mean, low, high, n and the values of each seed.

    Args:
        intervals: Table `intervals`.
        tests: Table `curves`.
    """
    found = []
    for (map_name, arm, metric), cell in intervals.groupby(["map", "arm", "metric"], sort=False):
        of_cell = tests[(tests["map"] == map_name) & (tests["arm"] == arm)]
        seeds = of_cell.pivot_table(index="step", columns="seed", values=metric, aggfunc="last").reindex(cell["step"])
        found.append(
            {
                **{"map": map_name, "arm": arm, "metric": metric, "reference": "", "steps": cell["step"].tolist()},
                **{name: rounded(cell[name], 4) for name in ("mean", "low", "high", "n")},
                "seeds": {str(seed): rounded(seeds[seed], 4) for seed in seeds},
            }
        )
    return found


def role_measures(roles: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Return the measures of roles in the form of `curves`, with those of raw observations as references."""
    if roles is None:
        return []
    found = []
    shown = roles[roles["reference"].isin(["roles", "observations"])]
    for (map_name, measure, arm, reference), cell in shown.groupby(["map", "measure", "arm", "reference"], sort=False):
        points = cell.pivot_table(index="seed", columns="step", values="value", aggfunc="last")
        interval = student_interval(points.to_numpy(float))
        found.append(
            {
                **{"map": map_name, "arm": arm, "metric": measure, "steps": points.columns.tolist()},
                "reference": "" if reference == "roles" else reference,
                **{name: rounded(values, 4) for name, values in interval._asdict().items()},
                "seeds": {str(seed): rounded(row, 4) for seed, row in points.iterrows()},
            }
        )
    return found


def episodes(frame: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Return one episode per map, arm, seed and milestone.

    Each has constant properties per unit, and positions, health, shields, targets and roles per time and unit.
    """
    if frame is None:
        return []
    found = []
    for (map_name, arm, seed, step), part in frame.groupby(["map", "arm", "seed", "step"], sort=False):
        rows = part.sort_values(["t", "unit"])
        times, units = rows["t"].nunique(), rows["unit"].nunique()
        first = rows.iloc[:units]
        moving = {name: rounded(rows[name].fillna(-1), digits, (times, units)) for name, digits in MOVING.items()}
        agents = rows[rows["is_agent"]]
        roles = rounded(agents[ROLE_AXES], 3, (times, -1, len(ROLE_AXES)))
        found.append(
            {
                **{"map": map_name, "arm": arm, "seed": seed, "step": step},
                **{name: bool(rows[name].iloc[0]) for name in ("shown", "won")},
                "rule": RULES.get(str(rows["rule"].iloc[0]), str(rows["rule"].iloc[0])),
                "agents": int(first["is_agent"].sum()),
                "types": first["type"].astype(str).tolist(),
                **{name: rounded(first[name], 1) for name in ("max_health", "max_shield")},
                **moving,
                "roles": roles,
            }
        )
    return found


def rounded(values: Any, digits: int, shape: tuple[int, ...] | None = None) -> list[Any]:
    """Return numbers as lists for JSON, nested by `shape`; NaN becomes None."""
    array = np.round(np.asarray(values, float), digits)
    objects = (array if digits or np.isnan(array).any() else array.astype(int)).astype(object)
    objects[np.isnan(array)] = None
    return list(objects.reshape(shape or -1).tolist())
