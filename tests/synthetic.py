"""Synthetic run directories, as written by `roma train` and `roma evaluate`, fast enough for whole grids."""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import yaml

from analysis.measures import measurements, nulls
from roma.learners.roma.columns import ROLE_COLUMNS
from roma.recordings.rollout_file import NOBODY, Milestone, Rollout
from roma.runs.config import milestone_steps
from roma.runs.directory import FORMAT, MEASUREMENTS, RunDirectory
from roma.scenarios import load_map, load_units
from roma.support.files import file_digest
from workflow.grid import Run, expand, milestones_of
from workflow.scale import check

FEW = 2  # draws of a null; they take most of the time
_measured: dict[str, list[bytes]] = {}  # tables of invented rollouts
SEGMENT = {
    "since_step": 0,
    "engine_digest": "0123456789abcdef" * 4,
    "git_revision": "0" * 40,
    "cpu_family": "Abacus",
}


def write_runs(config: dict, root: Path, points: int = 20, measured: bool = True) -> list[Run]:
    """Write all runs of a scale below `<root>/data/<engine>/<scale>`, with measurements; return the runs."""
    check(config, "synthetic")
    runs = list(expand(config, "synthetic").runs.values())
    folder = root / "data" / config["engine"] / config["scale"]
    for run in runs:
        write_run(run, folder / "runs" / run.directory, points, config["evaluation_episodes"], milestones_of(config))
        if run.config.has_roles and measured:
            write_measurements(run, RunDirectory(folder / "runs" / run.directory), milestones_of(config))
    return runs


def write_measurements(run: Run, directory: RunDirectory, kept: Sequence[int]) -> None:
    """Write the tables of an invented rollout; a process measures each rollout once."""
    key = json.dumps([run.arm, run.total_steps, list(kept), run.config.to_json()])
    files = [directory.measurement_file(name) for name in MEASUREMENTS]
    if key in _measured:
        for file, content in zip(files, _measured[key], strict=True):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    else:
        with mock.patch.multiple(nulls, PROJECTIONS=FEW, DRAWS=FEW):
            measurements.write(directory, invented_rollout(run, kept), SEGMENT["cpu_family"])
        _measured[key] = [file.read_bytes() for file in files]


def write_run(
    run: Run, directory: Path, points: int, evaluation_episodes: int, kept: Sequence[int] = (), policy_bytes: int = 100
) -> None:
    """Write a run directory, with policies of the milestones `kept` and of the end."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([run.seed, *map(ord, run.map + run.arm)])
    of_health, weights = rng.spawn(2)  # separate generators, so that no draw depends on the other parts
    interval = run.config.protocol_settings.test_interval
    tests = np.unique(np.linspace(0, run.total_steps // interval, points).astype(int))
    t_env = tests * interval + rng.integers(1, max(interval // 10, 2), len(tests))
    quality = rng.uniform(0.3, 1) * (0.6 + 0.4 * (run.arm == "roma"))
    skill = quality / (1 + np.exp(-8 * (t_env / run.total_steps - rng.uniform(0.2, 0.6))))
    episodes = run.config.protocol_settings.test_episodes
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
    if run.config.has_roles:
        columns |= role_health(run.map, t_env / run.total_steps, of_health)
    files = RunDirectory(directory)
    files.config_file.write_text(json.dumps(run.config.to_json()))
    steps = milestone_steps(run.total_steps, kept)
    for file, content in (
        *((files.policy_file(step), weights.bytes(policy_bytes)) for step in steps),
        (files.checkpoint_folder / f"t{t_env[-1]:09d}.safetensors", weights.bytes(100)),
    ):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    pd.DataFrame(columns).to_parquet(files.metrics_file)
    pd.DataFrame({"t_env": t_env, "wall_seconds": tests / 10}).to_parquet(files.timing_file)
    provenance = {
        "format": FORMAT,
        "config": run.config.to_json(),
        "deterministic": True,
        "total_steps": run.total_steps,
        "environment_steps": int(t_env[-1]),
        "updates": int(t_env[-1] // 40),
        "milestones": steps,
        "metrics_sha256": file_digest(files.metrics_file),
        "policies_sha256": {str(step): file_digest(files.policy_file(step)) for step in steps},
        "wall_seconds": run.total_steps / 100,
        "cpu_seconds": 9.0 * run.total_steps,  # 400 steps take an hour
        "peak_memory_mb": 900.0,
        "resumes": 0,
        "segments": [SEGMENT],
    }
    files.provenance_file.write_text(json.dumps(provenance))
    evaluation = {
        "format": FORMAT,
        "step": run.total_steps,
        "episodes": evaluation_episodes,
        "battle_won_mean": rng.binomial(evaluation_episodes, skill[-1]) / evaluation_episodes,
        "return_mean": float(columns["test_return_mean"][-1]),
        "ep_length_mean": float(columns["test_ep_length_mean"][-1]),
    }
    files.evaluation_folder.mkdir(exist_ok=True)
    files.evaluation_file(run.total_steps).write_text(json.dumps(evaluation))


def role_health(map_name: str, progress: np.ndarray, rng: np.random.Generator) -> dict[str, list[float]]:
    """Return synthetic health of the role losses at shares of the training (P,), none at the first."""
    types = {group.unit for group in load_map(map_name).allies}
    columns = {}
    for place, name in enumerate(ROLE_COLUMNS):
        values = (0.1 + 0.8 * progress) * rng.uniform(0.8, 1.0, len(progress)) * (10 if "variance" in name else 1)
        absent = name.startswith("dissimilarity_between") and len(types) == 1
        columns[name] = [math.nan, *(np.full(len(values), np.nan) if absent else values / (1 + place % 3))[1:].tolist()]
    return columns


def invented_rollout(run: Run, kept: Sequence[int], episodes: int = 4, earlier_episodes: int = 2) -> Rollout:
    """Return synthetic episodes: both sides advance and lose units, and roles follow types ever more clearly."""
    names = load_map(run.map).unit_types
    type_names = sorted(set(names))
    types = np.array([type_names.index(name) for name in names], np.uint8)
    steps = milestone_steps(run.total_steps, kept)
    milestones = [
        _invented(run, step, types, names, episodes if step == steps[-1] else earlier_episodes) for step in steps
    ]
    untrained = [_invented(run, 0, types, names, 2, network=network) for network in range(3)]
    return Rollout(run.config.to_json(), run.config.engine_version, type_names, milestones, untrained)


def _invented(
    run: Run, step: int, types: np.ndarray, names: list[str], episodes: int, rows: int = 400, network: int = 0
) -> Milestone:
    rng = np.random.default_rng([run.seed, step, *map(ord, run.map + run.arm), *[network] * (network > 0)])
    scenario, learnt = load_map(run.map), step / run.total_steps
    agents = sum(group.count for group in scenario.allies)
    units, mine = len(types), np.arange(len(types)) < agents
    lengths = rng.integers(30, 45, episodes)
    start = np.cumsum(lengths + 1) - (lengths + 1)
    episode = np.repeat(np.arange(episodes), lengths + 1)
    t = np.arange(len(episode)) - start[episode]
    spawns = [group.spawn for group in scenario.allies] + [group.spawn for group in scenario.enemies]
    first_x = np.where(mine, spawns[0][0], spawns[-1][0]) + rng.normal(0, 1, (episodes, units))
    x = first_x[episode] + np.where(mine, 0.25, -0.1) * np.minimum(t, 20)[:, None] + rng.normal(0, 0.1, (len(t), units))
    y = (spawns[0][1] + rng.normal(0, 3, (episodes, units)))[episode]
    full = np.array([load_units()[name].health for name in names])
    lost = np.maximum(t - 10, 0)[:, None] * rng.uniform(0, np.where(mine, 0.05, 0.08), (episodes, units))[episode]
    health = full * np.clip(1 - lost, 0, 1)
    shield = np.array([load_units()[name].shield for name in names]) * (t[:, None] < 12)
    alive = health[:, :agents] > 0
    actions = np.where(alive, rng.integers(1, 6 + units - agents, alive.shape), 0).astype(np.int8)
    actions[start + lengths] = NOBODY
    centres = rng.normal(0, 1, (types.max() + 1, 3))
    share = health[:, :agents, None] / full[:agents, None]
    role_mean = (2 * learnt * centres[types[:agents]] + share + rng.normal(0, 0.3, (*alive.shape, 3))) * alive[
        ..., None
    ]
    pairs = (len(t), agents, agents)
    candidates = np.argwhere(alive & (t > 0)[:, None] & (actions != NOBODY))
    chosen = candidates[np.sort(rng.choice(len(candidates), min(rows, len(candidates)), replace=False))]
    tried = np.flatnonzero(actions[:, 0] != NOBODY)[::5]
    drawn = rng.integers(1, 6 + units - agents, (2, len(tried), agents, 4))
    own = np.where(rng.random(drawn[0].shape) < 0.8, actions[tried, :, None], drawn[0])
    lender = np.broadcast_to((np.arange(agents)[:, None] + 1) % agents, own.shape)
    returns = rng.uniform(5, 20, episodes)
    return Milestone(
        step=step,
        seeds=rng.integers(2**62, size=episodes),
        won=(health[start + lengths, agents:] > 0).mean(1) < 0.5,
        lengths=lengths,
        types=np.tile(types, (episodes, 1)),
        units=np.stack([x, y, health, shield * (health > 0), 0 * x, 0 * x], -1).astype(np.float32),
        actions=actions,
        role_mean=role_mean.astype(np.float32),
        role_variance=np.full(role_mean.shape, 0.1, np.float32),
        divergence=rng.gamma(1, 0.1, alive.shape).astype(np.float32),
        information=rng.normal(-2, 1, pairs).astype(np.float16),
        dissimilarity=(rng.gamma(1, 0.2, pairs) + learnt * (types[:agents, None] != types[:agents])).astype(np.float16),
        rows=chosen.astype(np.int32),
        trajectory=(role_mean[chosen[:, 0], chosen[:, 1]] @ rng.normal(0, 1, (3, 64))).astype(np.float16),
        returns=returns.astype(np.float32),
        shuffled_won=np.zeros(episodes, bool),
        shuffled_returns=(returns - rng.uniform(0, 2, episodes)).astype(np.float32),
        tried=tried.astype(np.int32),
        resampled=np.where(alive[tried, :, None], own, NOBODY).astype(np.int8),
        lender=np.where(alive[tried, :, None], lender, NOBODY).astype(np.int8),
        exchanged=np.where(alive[tried, :, None], drawn[1], NOBODY).astype(np.int8),
    )


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
