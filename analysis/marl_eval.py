"""Export of final performance and learning curves in marl-eval's JSON format (Gorsane et al. 2022).

    roma export --summary data/embedded/study/summary --out runs.json

The layout is environment, task, algorithm, seed. Each seed has its tests as `step_0`, `step_1`, ... with `step_count`
in environment steps. `absolute_metrics` is the mean of the tests in the last tenth of the run.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.summarise import METRICS, last_tenth
from roma.support.files import write_bytes

NAMES = {"test_battle_won_mean": "win_rate", "test_return_mean": "return", "test_ep_length_mean": "episode_length"}


def export(summary: Path) -> dict[str, Any]:
    """Return all runs of a summary in marl-eval's layout.

    Every metric is a list with one value, the mean over the episodes of a test.
    """
    curves, runs = (pd.read_parquet(summary / f"{name}.parquet") for name in ("curves", "runs"))
    tests = dict(list(curves.sort_values("step").groupby(["map", "arm", "seed"])))
    exported: dict[str, Any] = {}
    for run in runs.sort_values(["map", "arm", "seed"]).to_dict("records"):
        of_run = tests[run["map"], run["arm"], run["seed"]]
        steps = {
            f"step_{place}": {"step_count": int(test["step"]), **_metrics(test)}
            for place, test in enumerate(of_run.to_dict("records"))
        }
        absolute = _metrics(last_tenth(of_run, run["total_steps"])[list(METRICS)].mean().to_dict())
        tasks = exported.setdefault(f"{run['engine']} {run['engine_version']}", {})
        seeds = tasks.setdefault(run["map"], {}).setdefault(run["arm"], {})
        seeds[f"seed_{run['seed']}"] = {**steps, "absolute_metrics": absolute}
    return exported


def _metrics(values: dict[Any, Any]) -> dict[str, list[float]]:
    return {NAMES[name]: [float(values[name])] for name in METRICS}


def write(summary: Path, out: Path) -> None:
    """Write the export of a summary to the file `out`."""
    write_bytes(out, (json.dumps(export(summary), indent=1) + "\n").encode())
