"""The short runs of an algorithm and what they leave, as digests."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from roma.runs import training
from roma.runs.config import RunConfig, resolve
from roma.runs.loop import Run
from roma.runs.protocols import PRESETS
from roma.runs.training import train

SCALES = Path(__file__).parents[3] / "workflow" / "config"
STEPS = {"3m": 1250, "2s3z": 2750}  # environment steps of a run, for each battle of a round: 50 updates and a few more
LONGER = {"roma_release_epsilon_50": 1.3}  # times as many; its agents hardly explore, which makes episodes longer
SIDE_BY_SIDE = {"paper": 2, "smac_v1": 1}  # battles of a round
LEAST_UPDATES = 50
TARGET_UPDATE_EPISODES = 20
TESTS = 3  # greedy tests after that of the first round, the last at the end
DIGITS = 8  # hexadecimal digits of a digest
COMPARED_LOSSES = 20  # first updates whose losses are kept as numbers
NEVER = 1e9  # seconds

# Columns of a run's tables that are no fingerprint.
EXCLUDED: Mapping[str, str] = {
    "timing.wall_seconds": "time of the clock, which depends on machine and load",
    "timing.env_steps_per_second": "a speed, which depends on machine and load",
}

Digests = dict[str, str]  # of each value of a run, by name
Losses = dict[str, list[float]]  # of the first updates of a run, by name


@dataclass(frozen=True, slots=True)
class Trace:
    """What a short run leaves."""

    digests: Digests
    losses: Losses
    updates: int
    target_updates: int


def run_names(algorithm: str) -> list[str]:
    """Return the names of an algorithm's runs: map, protocol and, of some, a setting."""
    plain = [f"{map_name} {protocol}" for map_name in STEPS for protocol in PRESETS]
    return plain + [f"3m paper {switch}" for switch in switches(algorithm)]


def run_steps(algorithm: str, run: str) -> int:
    """Return the environment steps of a short run."""
    map_name, protocol = run.split()[:2]
    return int(STEPS[map_name] * SIDE_BY_SIDE[protocol] * LONGER.get(algorithm, 1))


def run_config(algorithm: str, run: str) -> RunConfig:
    """Return the configuration of a short run. What a protocol asks for is scaled down, in proportion where possible.

    COMA learns on-policy here as well: its replay buffer holds one round, which is its batch.
    """
    map_name, protocol, *assignments = run.split()
    battles = SIDE_BY_SIDE[protocol]
    settings: dict[str, Any] = {
        "parallel_envs": battles,
        "batch_size": 2,
        "buffer_size": 8,
        "test_interval": run_steps(algorithm, run) // TESTS,
        "test_episodes": 2,
        "parallel_test_envs": 2,
    }
    if algorithm == "coma":
        settings |= {"batch_size": battles, "buffer_size": battles}
    if "target_update_episodes" in resolve(map_name, algorithm, 0, protocol).settings():
        settings["target_update_episodes"] = TARGET_UPDATE_EPISODES
    settings |= dict(assignment.split("=") for assignment in assignments)
    return resolve(map_name, algorithm, 0, protocol, overrides=settings)


@cache
def switches(algorithm: str) -> list[str]:
    """Return the settings `key=value` by which arms of scale files call other code of an algorithm than itself.

    Numbers are left out: with others the same code is called. So are the switches of QMIX, which ROMA shares and has.
    """
    if algorithm == "qmix":
        return []
    found = set()
    for path in SCALES.glob("*.yaml"):
        for arm, definition in yaml.safe_load(path.read_text()).get("arms", {}).items():
            if definition.get("algorithm", arm) == algorithm:
                overrides = definition.get("overrides", {})
                values = resolve("3m", algorithm, 0, overrides=overrides).settings()
                found |= {
                    f"{key}={str(values[key]).lower()}" for key in overrides if isinstance(values[key], bool | str)
                }
    return sorted(found)


@cache
def trace(algorithm: str, run: str) -> Trace:
    """Train a short run and return what it leaves."""
    return trace_anew(algorithm, run)


def trace_anew(algorithm: str, run: str) -> Trace:
    """Train a short run, whether or not this process did so before."""
    losses: Losses = {}
    digests: Digests = {}
    counters: dict[str, int] = {}

    class Traced(Run):
        def _count(self, values: Mapping[str, float]) -> None:
            if "loss" in values:  # the statistics of an update
                counters["target updates"] = counters.get("target updates", 0) + (
                    self.learner.last_target_update != counters.get("last target update", 0)
                )
                counters["last target update"] = self.learner.last_target_update
                for name, value in values.items():
                    if name.startswith("loss") and len(of_name := losses.setdefault(name, [])) < COMPARED_LOSSES:
                        of_name.append(value)
            super()._count(values)

        def finish(self) -> None:
            super().finish()
            counters["updates"] = self.state.updates
            for name, tensor in self.learner.state_tensors().items():
                digests[name] = _digest(tensor.detach().contiguous().numpy())

    config = run_config(algorithm, run)
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(training, "Run", Traced):
        train(config, Path(folder), run_steps(algorithm, run), milestones=(), checkpoint_seconds=NEVER)
        for table in ("metrics", "timing"):
            columns = pq.read_table(Path(folder) / f"{table}.parquet")
            for name in columns.column_names:
                if f"{table}.{name}" not in EXCLUDED:
                    digests[f"{table}.{name}"] = _digest(columns[name].to_numpy())
    return Trace(dict(sorted(digests.items())), losses, counters["updates"], counters["target updates"])


def _digest(values: NDArray[Any]) -> str:
    """Return a digest of type, shape and values."""
    content = f"{values.dtype.str} {values.shape} ".encode() + np.ascontiguousarray(values).tobytes()
    return hashlib.sha256(content).hexdigest()[:DIGITS]
