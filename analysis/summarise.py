"""Runs into tidy tables: everything figures and tables need, small enough to travel with the repository.

runs       one row a run: what it was and which code made it
curves     one row a test of a run
intervals  one row a point of a curve: mean with its 95 % interval and median with its quartiles, over seeds
plan       one row a cell that the scale trains, now or later, with its number of seeds
evaluations  one row an evaluated policy of a run: its greedy battles on seeds of their own
finals     the same of each run's last policy, and in `final_win_rate` the mean of the tests of its last tenth
role_health  one row a test of a run with roles: what shows the health of its role losses
roles, episodes, dissimilarity: of the runs with roles that have been measured, see analysis.measurements
settings   one row a setting of each map and arm
cost       one row a run: time, speed and memory, steps and updates

Nothing but `cost` depends on clocks.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import measurements
from analysis.statistics import quartiles, student_interval
from roma.learners.roma.columns import ROLE_COLUMNS
from roma.runs.config import settings_of
from roma.runs.directory import RunDirectory
from roma.support.errors import UserError
from roma.support.files import DIGEST_LENGTH, atomic_path, digest, file_digest

FACTS_OF_CONFIG = ("algorithm", "algorithm_version", "engine", "engine_version", "protocol")
FACTS_OF_PROTOCOL = ("test_interval", "test_episodes")
FORMAT = 2  # of the tables; raise it when their columns change
CELL = ["map", "arm"]
JOINT = " and "
LAST = 0.9  # of a run's steps; final performance is the mean of the tests after them
CLOCKED = ("cost",)
COST = ("wall_seconds", "peak_memory_mb", "updates", "total_steps", "resumes")
# What curves keep of a run's metrics, with the values each can have.
METRICS = {
    "test_battle_won_mean": (0.0, 1.0),
    "test_return_mean": (float("-inf"), float("inf")),
    "test_ep_length_mean": (0.0, float("inf")),
}


def summarise(
    runs: Sequence[RunDirectory],
    planned: Mapping[tuple[str, str], int] | None = None,
    withheld: str = "",
) -> dict[str, pd.DataFrame]:
    """All tables of these runs, by name.

    Args:
        runs: Finished runs.
        planned: Number of seeds of every (map, arm) that the scale trains, now or later; default: that of `runs`.
        withheld: Why verdicts and roles are not to be shown; empty if they are.
    """
    if not runs:
        raise UserError("there are no runs to summarise")
    curve_table = curves(runs)
    final_table = finals(runs, curve_table)
    lacking = {run: measurements.lacking(run) for run in runs if run.config.has_roles}
    for run, what in lacking.items():
        if what:
            print(f"left out of all tables of roles: {what}; roma measure {run.path} makes it", file=sys.stderr)
    measured = [run for run, what in lacking.items() if not what]
    return {
        "runs": described(runs),
        "plan": plan(runs, planned, withheld),
        "curves": curve_table,
        "intervals": intervals(curve_table),
        "evaluations": evaluations(runs),
        "finals": final_table,
        "settings": settings(runs),
        "cost": cost(runs),
        "role_health": role_health(runs),
        **measurements.joined(measured, final_table),
    }


def write(tables: dict[str, pd.DataFrame], directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.attrs["format"] = FORMAT  # in the metadata
        with atomic_path(directory / f"{name}.parquet") as beside:
            table.to_parquet(beside, compression="zstd", index=False)


def inputs_digest(directory: Path) -> str:
    """Digest of a summary, for captions; equal for equal runs, so without the tables that have clocks in them."""
    files = (file for file in sorted(directory.glob("*.parquet")) if file.stem not in CLOCKED)
    return digest("".join(f"{file.name} {file_digest(file)}\n" for file in files).encode())[:DIGEST_LENGTH]


def scale_of(summary: Path) -> str:
    """Return the name of the scale that a summary is of: its folder's, which may be a link to another place."""
    return Path(os.path.abspath(summary)).parent.name


def summaries_beside(summary: Path, specification: Mapping[str, Any]) -> dict[str, Path]:
    """Return the summaries there are of the other scales that a figure names in `beside`, by scale."""
    here = Path(os.path.abspath(summary))
    folders = {scale: here.parent.parent / scale / "summary" for scale in specification.get("beside", [])}
    return {scale: folder for scale, folder in folders.items() if folder.is_dir() and folder != here}


def facts_of(summary: Path, runs: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """What a face says of the runs behind it: a row for each value of `by`, with engine, protocol, scale and inputs.

    Runs that were played on several versions of the engine have them all.
    """
    named = runs.assign(engine=engine_names(runs))
    facts = named.groupby(by, sort=False)[["engine", "protocol"]].agg(joined).reset_index()
    return facts.assign(scale=scale_of(summary), inputs=inputs_digest(summary))


def engine_names(runs: pd.DataFrame) -> pd.Series:
    """Return the engine of each run with its version on the run's map, as in `embedded engine version 1`."""
    return runs["engine"] + " engine version " + runs["engine_version"]


def joined(values: Iterable[object]) -> str:
    """Each of these once; what was joined before is taken apart."""
    return JOINT.join(sorted({part for value in values for part in str(value).split(JOINT)}))


def described(runs: Sequence[RunDirectory]) -> pd.DataFrame:
    rows = []
    for run in runs:
        rows.append(
            {
                **run.cell,
                **{name: getattr(run.config, name) for name in FACTS_OF_CONFIG},
                **{name: getattr(run.config.protocol_settings, name) for name in FACTS_OF_PROTOCOL},
                "total_steps": run.provenance["total_steps"],
                "identity": run.config.digest,
                "git_revision": run.provenance["segments"][-1]["git_revision"],
            }
        )
    return pd.DataFrame(rows)


def curves(runs: Sequence[RunDirectory]) -> pd.DataFrame:
    """Columns map, arm, seed, step, t_env and METRICS. `step` is the test's place on the grid all seeds share.

    A test comes with the first round that reaches a multiple of the test interval, so t_env lies a little past it.
    """
    return pd.concat([_placed(run, run.read_metrics()[["t_env", *METRICS]]) for run in runs], ignore_index=True)


def role_health(runs: Sequence[RunDirectory]) -> pd.DataFrame:
    """The same of runs with roles, with ROLE_COLUMNS; NaN where a run is older than a column."""
    columns = ["t_env", *ROLE_COLUMNS]
    parts = [_placed(run, run.read_metrics().reindex(columns=columns)) for run in runs if run.config.has_roles]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*CELL, "seed", "step", *columns])


def _placed(run: RunDirectory, tests: pd.DataFrame) -> pd.DataFrame:
    """A run's tests with its identity and their steps in front."""
    interval = run.config.protocol_settings.test_interval
    placed = run.cell | {"step": tests["t_env"] // interval * interval}
    return tests.assign(**placed)[[*placed, *tests.columns]]


def intervals(curve_table: pd.DataFrame) -> pd.DataFrame:
    """Columns map, arm, metric, step, mean, low, high, n, median, lower_quartile, upper_quartile.

    One row a point, the cells in the order of `curve_table`.
    """
    parts = []
    for (map_name, arm), cell in curve_table.groupby(CELL, sort=False):
        for metric, bounds in METRICS.items():
            points = cell.pivot_table(index="seed", columns="step", values=metric, aggfunc="last")
            interval = student_interval(points.to_numpy(float), bounds=bounds)
            median, lower, upper, _ = quartiles(points.to_numpy(float))
            part = pd.DataFrame({"map": map_name, "arm": arm, "metric": metric, "step": points.columns})
            part = part.assign(**interval._asdict(), median=median, lower_quartile=lower, upper_quartile=upper)
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def plan(runs: Sequence[RunDirectory], planned: Mapping[tuple[str, str], int] | None, withheld: str) -> pd.DataFrame:
    """Columns map, arm and seeds, their number; in the metadata `withheld`, why verdicts and roles are not shown."""
    seeds = Counter((run.map, run.arm) for run in runs) | Counter(planned or {})
    table = pd.DataFrame([(*cell, number) for cell, number in seeds.items()], columns=[*CELL, "seeds"])
    table.attrs["withheld"] = withheld
    return table


def planned_cells(summary: Path) -> list[tuple[str, str]]:
    """Return every (map, arm) that the scale of a summary trains, now or later; none if the summary has no plan."""
    file = summary / "plan.parquet"
    return list(pd.read_parquet(file)[CELL].itertuples(index=False, name=None)) if file.exists() else []


def withheld(summary: Path) -> str:
    """Return why verdicts and roles of this summary are not to be shown; empty if they are.

    Raises:
        UserError: The summary has no plan.
    """
    file = summary / "plan.parquet"
    if not file.exists():
        raise UserError(f"{file} is missing: roma summarise makes it")
    return str(pd.read_parquet(file).attrs["withheld"])


def evaluations(runs: Sequence[RunDirectory]) -> pd.DataFrame:
    """Return the evaluations there are of each run's kept policies."""
    found = [(run, step) for run in runs for step in run.milestones() if run.evaluation_file(step).exists()]
    return pd.DataFrame([_evaluation(run, step) for run, step in found])


def finals(runs: Sequence[RunDirectory], curve_table: pd.DataFrame) -> pd.DataFrame:
    """Return the evaluation of each run's last policy, beside the mean of the tests of its last tenth."""
    evaluated = pd.DataFrame([_evaluation(run, run.last_step()) for run in runs])
    tests = curve_table.groupby([*CELL, "seed"])
    rates = [
        last_tenth(tests.get_group((run.map, run.arm, run.seed)), run.last_step())["test_battle_won_mean"].mean()
        for run in runs
    ]
    return evaluated.assign(final_win_rate=rates)


def last_tenth(tests: pd.DataFrame, step: int) -> pd.DataFrame:
    """Return the tests of runs in the last tenth of their training up to a step, of each seed its last one at least."""
    reached = tests[tests["step"] <= step]
    last = reached.groupby("seed")["step"].transform("max")
    return reached[reached["step"] > np.minimum(LAST * step, last - 1)]


def _evaluation(run: RunDirectory, step: int) -> dict[str, Any]:
    """Return the evaluation of the policy kept at `step`, with the run's cell and seed in front."""
    result = run.read_evaluation(step)
    kept = ("step", "episodes", "battle_won_mean", "return_mean", "ep_length_mean")
    return run.cell | {name: result[name] for name in kept}


def settings(runs: Sequence[RunDirectory]) -> pd.DataFrame:
    """Columns map, arm, setting and value, as JSON; seeds have them in common."""
    firsts = {(run.map, run.arm): run for run in reversed(runs)}
    rows = [
        {"map": run.map, "arm": run.arm, "setting": setting, "value": json.dumps(value)}
        for run in reversed(firsts.values())
        for setting, value in settings_of(run.config.to_json()).items()
    ]
    return pd.DataFrame(rows, columns=[*CELL, "setting", "value"])


def cost(runs: Sequence[RunDirectory]) -> pd.DataFrame:
    """COST and env_steps_per_second, over the whole run with its tests."""
    rows = []
    for run in runs:
        facts = {name: run.provenance[name] for name in (*COST, "environment_steps")}
        speed = facts.pop("environment_steps") / facts["wall_seconds"]
        rows.append(run.cell | facts | {"env_steps_per_second": speed})
    return pd.DataFrame(rows)
