"""Summary of runs in tidy tables: all inputs of figures and tables, small enough to be tracked with the repository.

runs         one row per run: its configuration, identity and revision
curves       one row per test of a run
intervals    one row per point of a learning curve: mean with 95 % interval and median with quartiles, over seeds
plan         one row per (map, arm) that the scale trains, now or later, with its number of seeds
evaluations  one row per evaluated policy of a run: greedy episodes with seeds of their own
finals       one row per run: the evaluation of its last policy; `final_win_rate` is the mean of the tests in the last
             tenth of the run
role_health  one row per test of a run with roles: diagnostics of the role losses
roles, episodes, dissimilarity  measurements of runs with roles, see analysis.measures.measurements
settings     one row per setting of each (map, arm)
cost         one row per run: time, speed, memory, steps and updates

Only `cost` depends on clocks.
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

from analysis.measures import measurements
from analysis.statistics import quartiles, student_interval
from roma.learners.roma.columns import ROLE_COLUMNS
from roma.runs.config import settings_of
from roma.runs.directory import RunDirectory
from roma.support.errors import UserError
from roma.support.files import DIGEST_LENGTH, atomic_path, digest, file_digest

FACTS_OF_CONFIG = ("algorithm", "algorithm_version", "engine", "engine_version", "protocol")
FACTS_OF_PROTOCOL = ("test_interval", "test_episodes")
FORMAT = 2  # version of the tables; raise it when their columns change
CELL = ["map", "arm"]
JOINT = " and "
LAST = 0.9  # share of a run's steps; final performance is the mean of the tests after it
LANDED = "tranches"  # folder, in that of a scale's results, of what was drawn when a tranche was complete
CLOCKED = ("cost",)
COST = ("wall_seconds", "peak_memory_mb", "updates", "total_steps", "resumes")
# Metrics of a run that the curves keep, each with its smallest and largest possible value.
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
    """Return all tables of the given runs, by name.

    Args:
        runs: Finished runs.
        planned: Number of seeds of every (map, arm) that the scale trains, now or later; by default the number in
            `runs`.
        withheld: Reason why verdicts and roles must not be shown yet; empty if they may be shown.

    Raises:
        UserError: There are no runs.
    """
    if not runs:
        raise UserError("there are no runs to summarise")
    curve_table = curves(runs)
    final_table = finals(runs, curve_table)
    lacking = {run: measurements.lacking(run) for run in runs if run.config.has_roles}
    for run, what in lacking.items():
        if what:
            print(f"left out of the role tables: {what}; run: roma measure {run.path}", file=sys.stderr)
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
    """Write each table to `<name>.parquet` in a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.attrs["format"] = FORMAT  # pandas stores attrs in the file's metadata
        with atomic_path(directory / f"{name}.parquet") as beside:
            table.to_parquet(beside, compression="zstd", index=False)


def inputs_digest(directory: Path) -> str:
    """Return the digest of a summary, for captions. Equal runs have equal digests: tables with clocks are left out."""
    files = (file for file in sorted(directory.glob("*.parquet")) if file.stem not in CLOCKED)
    return digest("".join(f"{file.name} {file_digest(file)}\n" for file in files).encode())[:DIGEST_LENGTH]


def scale_of(summary: Path) -> str:
    """Return the scale of a summary, the name of its parent folder. Symbolic links are not resolved.

    The summary of a tranche lies two folders deeper, in one of the folder LANDED.
    """
    folder = Path(os.path.abspath(summary)).parent
    return folder.parents[1].name if folder.parent.name == LANDED else folder.name


def summaries_beside(summary: Path, specification: Mapping[str, Any]) -> dict[str, Path]:
    """Return the existing summaries of the scales that a figure lists in `beside`, by scale, except `summary`."""
    here = Path(os.path.abspath(summary))
    folders = {scale: here.parent.parent / scale / "summary" for scale in specification.get("beside", [])}
    return {scale: folder for scale, folder in folders.items() if folder.is_dir() and folder != here}


def facts_of(summary: Path, runs: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return the facts that captions state: one row for each value of `by`, with engine, protocol, scale and inputs.

    Several engine versions or protocols are joined with " and ".

    Args:
        summary: Folder of the tidy tables.
        runs: Rows of the table `runs`.
        by: Columns to group the runs by.
    """
    named = runs.assign(engine=engine_names(runs))
    facts = named.groupby(by, sort=False)[["engine", "protocol"]].agg(joined).reset_index()
    return facts.assign(scale=scale_of(summary), inputs=inputs_digest(summary))


def engine_names(runs: pd.DataFrame) -> pd.Series:
    """Return the engine of each run with the engine version of its map, such as `embedded engine version 1`."""
    return runs["engine"] + " engine version " + runs["engine_version"]


def origin(runs: pd.DataFrame, scale: str) -> str:
    """Return the note of tables on their runs: engine, scale and protocol.

    Args:
        runs: Rows of the table `runs`.
        scale: Name of the scale.
    """
    return f"Runs on the {joined(engine_names(runs))}, scale {scale}, protocol {joined(runs['protocol'])}"


def joined(values: Iterable[object]) -> str:
    """Join the unique values with " and ", splitting values joined before."""
    return JOINT.join(sorted({part for value in values for part in str(value).split(JOINT)}))


def described(runs: Sequence[RunDirectory]) -> pd.DataFrame:
    """Return the table `runs`: configuration, total steps, identity and revision of each run."""
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
    """Return the table `curves`: columns map, arm, seed, step, t_env and METRICS.

    A test is due at a multiple of the test interval and runs after the next complete round of episodes. `step` is the
    multiple, which all seeds share; `t_env` is the exact environment step, slightly larger.
    """
    return pd.concat([_placed(run, run.read_metrics()[["t_env", *METRICS]]) for run in runs], ignore_index=True)


def role_health(runs: Sequence[RunDirectory]) -> pd.DataFrame:
    """Return the table `role_health`: columns of `curves` with ROLE_COLUMNS as metrics, for runs with roles.

    A column is NaN for runs that were recorded before it existed.
    """
    columns = ["t_env", *ROLE_COLUMNS]
    parts = [_placed(run, run.read_metrics().reindex(columns=columns)) for run in runs if run.config.has_roles]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*CELL, "seed", "step", *columns])


def _placed(run: RunDirectory, tests: pd.DataFrame) -> pd.DataFrame:
    """Return the tests of a run with map, arm, seed and step as first columns."""
    interval = run.config.protocol_settings.test_interval
    placed = run.cell | {"step": tests["t_env"] // interval * interval}
    return tests.assign(**placed)[[*placed, *tests.columns]]


def intervals(curve_table: pd.DataFrame) -> pd.DataFrame:
    """Return the table `intervals`: statistics over seeds at each step, in the order of `curve_table`.

    The columns are map, arm, metric, step, mean, low, high, n, median, lower_quartile and upper_quartile.
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
    """Return the table `plan`: map, arm and number of seeds. Its metadata holds the reason `withheld`.

    Args:
        runs: Finished runs.
        planned: Number of seeds of every (map, arm) that the scale trains; more finished seeds raise it.
        withheld: Reason why verdicts and roles must not be shown yet; empty if they may be shown.
    """
    seeds = Counter((run.map, run.arm) for run in runs) | Counter(planned or {})
    table = pd.DataFrame([(*cell, number) for cell, number in seeds.items()], columns=[*CELL, "seeds"])
    table.attrs["withheld"] = withheld
    return table


def planned_cells(summary: Path) -> list[tuple[str, str]]:
    """Return every (map, arm) that the scale of a summary trains, now or later; none if the summary has no plan."""
    file = summary / "plan.parquet"
    return list(pd.read_parquet(file)[CELL].itertuples(index=False, name=None)) if file.exists() else []


def planned_runs(summary: Path) -> int:
    """Return the number of runs that the scale of a summary trains, now or later; 0 if the summary has no plan."""
    file = summary / "plan.parquet"
    return int(pd.read_parquet(file)["seeds"].sum()) if file.exists() else 0


def withheld(summary: Path) -> str:
    """Return the reason why verdicts and roles of a summary must not be shown; empty if they may be shown.

    Raises:
        UserError: The summary has no table `plan`.
    """
    file = summary / "plan.parquet"
    if not file.exists():
        raise UserError(f"{file} is missing: `roma summarise` writes it")
    return str(pd.read_parquet(file).attrs["withheld"])


def evaluations(runs: Sequence[RunDirectory]) -> pd.DataFrame:
    """Return the table `evaluations`: one row for each evaluated policy of each run."""
    found = [(run, step) for run in runs for step in run.milestones() if run.evaluation_file(step).exists()]
    return pd.DataFrame([_evaluation(run, step) for run, step in found])


def finals(runs: Sequence[RunDirectory], curve_table: pd.DataFrame) -> pd.DataFrame:
    """Return the table `finals`: the evaluation of each run's last policy, and its final win rate.

    The final win rate is the mean of the tests in the last tenth of the run.
    """
    evaluated = pd.DataFrame([_evaluation(run, run.last_step()) for run in runs])
    tests = curve_table.groupby([*CELL, "seed"])
    rates = [
        last_tenth(tests.get_group((run.map, run.arm, run.seed)), run.last_step())["test_battle_won_mean"].mean()
        for run in runs
    ]
    return evaluated.assign(final_win_rate=rates)


def last_tenth(tests: pd.DataFrame, step: int) -> pd.DataFrame:
    """Return the tests in the last tenth of training up to a step, at least the last test of each seed.

    Args:
        tests: Rows of the table `curves` of one (map, arm).
        step: Environment step at which training is taken to end.
    """
    reached = tests[tests["step"] <= step]
    last = reached.groupby("seed")["step"].transform("max")
    return reached[reached["step"] > np.minimum(LAST * step, last - 1)]


def _evaluation(run: RunDirectory, step: int) -> dict[str, Any]:
    """Return the evaluation of the policy at `step`, with map, arm and seed as first entries."""
    result = run.read_evaluation(step)
    kept = ("step", "episodes", "battle_won_mean", "return_mean", "ep_length_mean")
    return run.cell | {name: result[name] for name in kept}


def settings(runs: Sequence[RunDirectory]) -> pd.DataFrame:
    """Return the table `settings`: map, arm, setting and its value as JSON. Seeds of an arm share their settings."""
    firsts = {(run.map, run.arm): run for run in reversed(runs)}
    rows = [
        {"map": run.map, "arm": run.arm, "setting": setting, "value": json.dumps(value)}
        for run in reversed(firsts.values())
        for setting, value in settings_of(run.config.to_json()).items()
    ]
    return pd.DataFrame(rows, columns=[*CELL, "setting", "value"])


def cost(runs: Sequence[RunDirectory]) -> pd.DataFrame:
    """Return the table `cost`: COST and env_steps_per_second of each run, tests included."""
    rows = []
    for run in runs:
        facts = {name: run.provenance[name] for name in (*COST, "environment_steps")}
        speed = facts.pop("environment_steps") / facts["wall_seconds"]
        rows.append(run.cell | facts | {"env_steps_per_second": speed})
    return pd.DataFrame(rows)
