"""Env steps per second of the engine on one core: observations, state, availability, rewards and resets included.

`pytest tests/benchmarks/test_engine.py` prints them. Aims on an idle core with 8 battles of random available actions:
50 000 on 10m_vs_11m, 12 000 on 27m_vs_30m, 100 000 on 2s3z, 40 000 on MMM2, 15 000 on 6s4z_vs_10b30z.
"""

from __future__ import annotations

import numpy as np
import pytest

from roma.envs.skirmish.engine import RandomPolicy, Skirmish

BATTLES, CALLS = 8, 500


@pytest.mark.parametrize("map_name", ["2s3z", "10m_vs_11m", "27m_vs_30m", "MMM2", "6s4z_vs_10b30z"])
def test_engine_speed(benchmark, capsys, map_name: str) -> None:  # type: ignore[no-untyped-def]
    env, policy = Skirmish(map_name, BATTLES), RandomPolicy(0)
    seeds = np.arange(BATTLES)
    env.reset(seeds)

    def play() -> None:
        for _ in range(CALLS):
            outcome = env.step(policy(env.avail_actions))
            if outcome.terminated.any():
                seeds[:] += BATTLES
                env.reset(seeds, outcome.terminated)

    benchmark.pedantic(play, rounds=7, warmup_rounds=1)
    benchmark.extra_info["steps_per_second"] = round(BATTLES * CALLS / benchmark.stats.stats.median)
    with capsys.disabled():
        print(f"\n{map_name}: {benchmark.extra_info['steps_per_second']:,} env steps/s")
