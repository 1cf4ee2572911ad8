"""Released runs of the SMAC v1.0 experiments on StarCraft II: all tests of 331 runs, and statistics of them.

`released_runs.parquet` has one row per test: map, algorithm (the name of our arm), run (numbered within both), t_env
(environment steps at the test), battles_won (of 32) and return_1e4 (mean test return times 10 000, an integer).

Source: the file released with SMAC v1.0 (arXiv:1902.04043v5), read from the copy `data/smac_run_data.json` in the
public repository mariuslindegaard/6.867_MARL_project. It has no run on 3m, 8m, 25m, 8m_vs_9m, MMM, 3s_vs_3z, 3s_vs_4z,
2m_vs_1z and so_many_baneling. Protocol (PyMARL): StarCraft II 4.6.2.69232, one game at a time, a test of 32 greedy
episodes after the first training episode and then whenever at least 10 000 steps have passed since the previous test.
COMA trains on 8 games at once, so its first test follows 8 episodes. Why some runs were aborted is unknown.

`scripted_policy.csv` has the win rates of SMAC's scripted policy from a table of the SMAC paper. Rates marked
"recalled" were written down from memory; rates marked "confirmed" were read in a copy of the paper.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent
RUNS = FOLDER / "released_runs.parquet"
SCRIPTED_POLICY = FOLDER / "scripted_policy.csv"
TEST_EPISODES = 32
TEST_INTERVAL = 10_000  # least environment steps between two tests
COMPLETE = 1_950_000  # environment steps; the last test of a complete run is not earlier


@dataclass(frozen=True, slots=True)
class ReleasedRun:
    """Tests of one run, in the order of training; T is their number."""

    map: str
    algorithm: str
    number: int  # within map and algorithm, from 1
    t_env: NDArray[np.int64]  # (T,) environment steps
    win_rate: NDArray[np.float64]  # (T,) fraction of 32 greedy episodes
    returns: NDArray[np.float64]  # (T,) mean test return; the largest is about 20

    @property
    def complete(self) -> bool:
        """Whether the run was not aborted."""
        return bool(self.t_env[-1] >= COMPLETE)

    @property
    def n_battles(self) -> int:
        """Number of parallel games, and therefore of episodes between two possible tests."""
        return 8 if self.algorithm == "coma" else 1


@dataclass(frozen=True, slots=True)
class ScriptedPolicy:
    """Published win rate of SMAC's scripted policy on one map."""

    win_rate: float
    source: str  # confirmed or recalled


@cache
def released_runs() -> tuple[ReleasedRun, ...]:
    """Return all released runs, aborted ones included, in the file's order."""
    import pyarrow.parquet as pq  # imported here because it is slow, and the command line rarely needs it

    table = pq.read_table(RUNS)
    columns = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
    identity = [columns[name] for name in ("map", "algorithm", "run")]
    changes = np.logical_or.reduce([values[1:] != values[:-1] for values in identity])
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1, [len(table)]])
    return tuple(
        ReleasedRun(
            map=str(columns["map"][first]),
            algorithm=str(columns["algorithm"][first]),
            number=int(columns["run"][first]),
            t_env=columns["t_env"][first:end].astype(np.int64),
            win_rate=columns["battles_won"][first:end] / TEST_EPISODES,
            returns=columns["return_1e4"][first:end] / 10_000,
        )
        for first, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    )


@cache
def scripted_policy() -> dict[str, ScriptedPolicy]:
    """Return the published win rates of SMAC's scripted policy by map."""
    with SCRIPTED_POLICY.open(newline="", encoding="utf-8") as file:
        return {row["map"]: ScriptedPolicy(float(row["win_rate"]), row["source"]) for row in csv.DictReader(file)}


def map_names() -> list[str]:
    """Return the maps with released runs, in the file's order."""
    return list(dict.fromkeys(run.map for run in released_runs()))


def algorithms(map_name: str) -> list[str]:
    """Return the algorithms with released runs on a map, in the file's order."""
    return list(dict.fromkeys(run.algorithm for run in released_runs() if run.map == map_name))


def complete_runs(map_name: str, algorithm: str) -> list[ReleasedRun]:
    """Return the runs of one map and algorithm that were not aborted."""
    return [run for run in released_runs() if (run.map, run.algorithm) == (map_name, algorithm) and run.complete]


def random_lengths(map_name: str) -> NDArray[np.int64]:
    """Return the sorted lengths (n,) of random episodes, in timesteps: one per run of every algorithm but COMA.

    The first test is logged at the end of the first training episode, in which epsilon is 1. A length equal to the
    episode limit is a time-out.
    """
    return np.sort(np.array([run.t_env[0] for run in _first(map_name, coma=False)], np.int64))


def near_random_means(map_name: str) -> NDArray[np.float64]:
    """Return the sorted mean lengths (n,) of the first 8 episodes of each COMA run, in timesteps.

    Their policy is only near random: an untrained softmax, mixed half and half with uniform actions.
    """
    return np.sort(np.array([run.t_env[0] / run.n_battles for run in _first(map_name, coma=True)]))


def first_tests(map_name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return win rates (n,) and mean returns (n,) of untrained greedy networks, one per run in the file's order.

    COMA is excluded: it makes an update before its first test.
    """
    runs = _first(map_name, coma=False)
    return np.array([run.win_rate[0] for run in runs]), np.array([run.returns[0] for run in runs])


def _first(map_name: str, coma: bool) -> list[ReleasedRun]:
    return [run for run in released_runs() if run.map == map_name and (run.algorithm == "coma") == coma]


def win_rates_before(map_name: str, algorithm: str, step: int, tests: int = 5) -> NDArray[np.float64]:
    """Return each complete run's mean test win rate (n,) over the last `tests` test intervals up to `step`.

    The win rates at `step`, one test interval earlier and so on are interpolated linearly between tests.
    """
    steps: Sequence[int] = [step - k * TEST_INTERVAL for k in range(tests)]
    runs = complete_runs(map_name, algorithm)
    return np.array([np.interp(steps, run.t_env, run.win_rate).mean() for run in runs])
