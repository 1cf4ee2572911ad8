"""Runs into tidy tables: everything figures and tables need, small enough to travel with the repository.

runs       one row a run: what it was and which code made it
curves     one row a test of a run
intervals  one row a point of a curve: mean and 95 % interval over seeds
finals     one row a run: the last weights' greedy battles on seeds of their own

Nothing in them depends on clocks.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.runs import RunDirectory
from analysis.statistics import student_interval
from roma.errors import UserError
from roma.files import atomic_path

FACTS_OF_CONFIG = ("algorithm", "engine", "protocol", "test_interval", "test_episodes")
FACTS_OF_PROVENANCE = ("steps", "config_hash", "engine_digest", "git_revision")
CELL = ["map", "arm"]
# What curves keep of a run's metrics, with the values each can have.
METRICS = {
    "test_battle_won_mean": (0.0, 1.0),
    "test_return_mean": (float("-inf"), float("inf")),
    "test_ep_length_mean": (0.0, float("inf")),
}


def summarise(runs: Sequence[RunDirectory]) -> dict[str, pd.DataFrame]:
    """The four tables of these runs, by name."""
    if not runs:
        raise UserError("there are no runs to summarise")
    curve_table = curves(runs)
    return {
        "runs": described(runs),
        "curves": curve_table,
        "intervals": intervals(curve_table),
        "finals": finals(runs),
    }


def write(tables: dict[str, pd.DataFrame], directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        with atomic_path(directory / f"{name}.parquet") as beside:
            table.to_parquet(beside, compression="zstd", index=False)


def described(runs: Sequence[RunDirectory]) -> pd.DataFrame:
    rows = []
    for run in runs:
        config, provenance = run.read_json("config.json"), run.read_json("provenance.json")
        rows.append(
            {
                **identity(run),
                **{name: config[name] for name in FACTS_OF_CONFIG},
                **{name: provenance[name] for name in FACTS_OF_PROVENANCE},
            }
        )
    return pd.DataFrame(rows)


def curves(runs: Sequence[RunDirectory]) -> pd.DataFrame:
    """Columns map, arm, seed, step, t_env and METRICS. `step` is the test's place on the grid all seeds share.

    A test comes with the first round that reaches a multiple of the test interval, so t_env lies a little past it.
    """
    parts = []
    for run in runs:
        metrics = run.read_metrics()
        interval = run.read_json("config.json")["test_interval"]
        curve = metrics[["t_env", *METRICS]].copy()
        curve.insert(0, "step", curve["t_env"] // interval * interval)
        for place, (name, value) in enumerate(identity(run).items()):
            curve.insert(place, name, value)
        parts.append(curve)
    return pd.concat(parts, ignore_index=True)


def intervals(curve_table: pd.DataFrame) -> pd.DataFrame:
    """Columns map, arm, metric, step, mean, low, high, n; one row a point, the cells in the order of `curve_table`."""
    parts = []
    for (map_name, arm), cell in curve_table.groupby(CELL, sort=False):
        for metric, bounds in METRICS.items():
            points = cell.pivot_table(index="seed", columns="step", values=metric, aggfunc="last")
            interval = student_interval(points.to_numpy(float), bounds=bounds)
            part = pd.DataFrame({"map": map_name, "arm": arm, "metric": metric, "step": points.columns})
            parts.append(part.assign(**interval._asdict()))
    return pd.concat(parts, ignore_index=True)


def finals(runs: Sequence[RunDirectory]) -> pd.DataFrame:
    kept = ("step", "episodes", "battle_won_mean", "return_mean", "ep_length_mean")
    evaluations = [(run, run.read_json("evaluation.json")) for run in runs]
    return pd.DataFrame([identity(run) | {name: result[name] for name in kept} for run, result in evaluations])


def identity(run: RunDirectory) -> dict[str, str | int]:
    return {"map": run.map, "arm": run.arm, "seed": run.seed}
