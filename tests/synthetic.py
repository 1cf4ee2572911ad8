"""Run directories as `roma train` and `roma evaluate` leave them, with invented numbers, fast for whole grids."""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from workflow.grid import Run, check, expand

ENGINE_DIGEST = "0123456789abcdef" * 4


def write_runs(config: dict, root: Path, points: int = 20) -> list[Run]:
    """Writes every run of the scale below `<root>/data/<engine>/<scale>/runs`; returns them."""
    check(config, "synthetic")
    runs = list(expand(config, "synthetic").runs.values())
    folder = root / "data" / config["engine"] / config["scale"] / "runs"
    for run in runs:
        write_run(run, folder / run.directory, points, config["evaluation_episodes"])
    return runs


def write_run(run: Run, directory: Path, points: int, evaluation_episodes: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([run.seed, *map(ord, run.map + run.arm)])
    interval = run.config.schedule.test_interval
    tests = np.unique(np.linspace(0, run.horizon // interval, points).astype(int))
    t_env = tests * interval + rng.integers(1, max(interval // 10, 2), len(tests))
    quality = rng.uniform(0.3, 1) * (0.6 + 0.4 * (run.arm == "roma"))
    skill = quality / (1 + np.exp(-8 * (t_env / run.horizon - rng.uniform(0.2, 0.6))))
    episodes = run.config.schedule.test_episodes
    won = rng.binomial(episodes, skill) / episodes
    columns = {
        "t_env": t_env.tolist(),
        "episode": (t_env // 40).tolist(),
        "updates": (t_env // 40).tolist(),
        "test_battle_won_mean": won.tolist(),
        "test_return_mean": (4 + 15 * skill + rng.normal(0, 0.5, len(tests))).tolist(),
        "test_ep_length_mean": (30 + 20 * skill).tolist(),
        "loss_td": [math.nan, *rng.uniform(0, 1, len(tests) - 1)],
    }
    (directory / "config.json").write_text(json.dumps(run.config.flat()))
    provenance = {
        "config_hash": run.config.hash,
        "engine_digest": ENGINE_DIGEST,
        "git_revision": "0" * 40,
        "steps": run.horizon,
    }
    (directory / "provenance.json").write_text(json.dumps(provenance))
    binaries = {"policies": f"t{run.horizon}.safetensors", "checkpoints": f"t{t_env[-1]:09d}-0.safetensors"}
    for folder, name in binaries.items():
        (directory / folder).mkdir(exist_ok=True)
        (directory / folder / name).write_bytes(rng.bytes(100))
    pd.DataFrame(columns).to_parquet(directory / "metrics.parquet")
    pd.DataFrame({"t_env": t_env, "wall_seconds": tests / 10}).to_parquet(directory / "timing.parquet")
    evaluation = {
        "step": run.horizon,
        "episodes": evaluation_episodes,
        "battle_won_mean": rng.binomial(evaluation_episodes, skill[-1]) / evaluation_episodes,
        "return_mean": float(columns["test_return_mean"][-1]),
        "ep_length_mean": float(columns["test_ep_length_mean"][-1]),
    }
    (directory / "evaluation.json").write_text(json.dumps(evaluation))


def main() -> None:
    """python -m tests.synthetic workflow/config/lab.yaml ROOT"""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scale", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("--points", type=int, default=20)
    options = parser.parse_args()
    write_runs(yaml.safe_load(options.scale.read_text()), options.root, options.points)


if __name__ == "__main__":
    main()
