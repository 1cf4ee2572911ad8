"""Environment steps per second of whole runs under the paper's protocol, training and tests included, one thread.

    pytest tests/benchmarks/test_runs.py --run-steps 200000

The authors' code took 60 to 160 steps per second on such runs. Aims over the first 200 000 steps: 2 500 with ROMA on
MMM2 (1 500 at least), 4 000 with QMIX on 2s3z. Compilation and a short run come first and are not measured. Runs of a
million steps, which have a full replay after a third of them, must not grow in memory or time of a step from then on.
"""

import json
import os
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from roma.runs.config import resolve
from roma.runs.loop import Run
from roma.runs.training import train

AIMS = {("roma", "MMM2"): 2500, ("qmix", "2s3z"): 4000}
LONG_RUN = 1_000_000  # environment steps after which growth is judged
MOST_GROWTH = {"memory": 1.05, "time of a step": 1.2}  # growth from the middle of a run to its end


def pytest_generate_tests(metafunc):
    """The number of steps is part of a test's name, so that runs of other lengths are never compared."""
    if "steps" in metafunc.fixturenames:
        metafunc.parametrize("steps", [metafunc.config.getoption("--run-steps")])


@pytest.fixture
def moments(monkeypatch):
    """After each round with a test, return environment steps, seconds of processor time and megabytes in use.

    The memory excludes the replay buffer, which grows when agents learn to survive longer.
    """
    found, original, page = [], Run._play_round, os.sysconf("SC_PAGE_SIZE")

    def play_round(self, bar):
        tests = len(self.state.metrics)
        original(self, bar)
        if len(self.state.metrics) == tests:
            return
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
        arrays = (array for each in self.replay.episodes for array in (each.snapshots, each.actions, each.reward))
        used = pages * page - sum(array.nbytes for array in arrays)
        found.append((self.state.t_env, time.process_time(), used / 1e6))

    monkeypatch.setattr(Run, "_play_round", play_round)
    return found


def growth(moments):
    """How many times the memory of the middle is used at the end, and the second quarter's time of a step in the last.

    `moments` are those of the fixture, five at least.
    """
    steps, seconds, megabytes = zip(*moments, strict=True)
    first, middle, late, last = (len(moments) * quarter // 4 for quarter in (1, 2, 3, 4))

    def of_step(start, end):
        return (seconds[end] - seconds[start]) / (steps[end] - steps[start])

    return {
        "memory": megabytes[-1] / megabytes[middle],
        "time of a step": of_step(late, last - 1) / of_step(first, middle),
    }


@pytest.mark.usefixtures("without_time_limit")
@pytest.mark.parametrize(("name", "map_name"), AIMS)
def test_run(benchmark, capsys, tmp_path, moments, name, map_name, steps):
    config = resolve(map_name, name, 0, "paper")
    warm_up, run = tmp_path / "warm_up", tmp_path / "run"
    for directory in (warm_up, run):
        directory.mkdir()
    train(config, warm_up, 2000)
    moments.clear()
    benchmark.group = "run"
    benchmark.pedantic(train, (config, run, steps), rounds=1)
    facts = json.loads((run / "provenance.json").read_text())
    speed = round(facts["environment_steps"] / facts["wall_seconds"])
    of_processor = round(facts["environment_steps"] / facts["cpu_seconds"])
    by_test = pq.read_table(run / "timing.parquet", columns=["env_steps_per_second"]).column(0).to_pylist()
    benchmark.extra_info |= {
        "env_steps_per_second": speed,
        "env_steps_per_processor_second": of_processor,
        "env_steps_per_second_by_test": [round(each) for each in by_test],
        "peak_memory_mb": round(facts["peak_memory_mb"]),
    }
    with capsys.disabled():
        print(
            f"\n{name} on {map_name}, {steps:,} steps: {speed:,} env steps/s, {of_processor:,} per second of processor "
            f"time, aim {AIMS[name, map_name]:,}; at most {facts['peak_memory_mb']:,.0f} MB so far"
        )
    if steps >= LONG_RUN:
        grown = growth(moments)
        benchmark.extra_info |= {f"growth of {name}": round(times, 3) for name, times in grown.items()}
        assert all(grown[name] <= most for name, most in MOST_GROWTH.items()), grown


def test_growth_is_seen():
    moments = [(20_000 * test, 10.0 * test, 800.0) for test in range(50)]
    assert growth(moments) == pytest.approx({"memory": 1, "time of a step": 1})
    slowing = [(steps, seconds + (steps / 5e4) ** 2, 800 + steps / 1e4) for steps, seconds, _ in moments]
    assert all(growth(slowing)[name] > most for name, most in MOST_GROWTH.items())
