"""Processor time of one decision and of one timestep of a rollout, on one thread. Run on request:

    pytest tests/benchmarks/test_acting.py

Each in turns with the actor in torch, with one battle and with eight. Decisions are taken in the twentieth timestep of
random play, whose observations have as many zeros as those of runs. Rollouts play whole rounds with an epsilon of 0.05,
the engine and the recorder included. How many times as fast as with torch they are is printed and saved.
"""

import time
from statistics import median

import numpy as np
import pytest

from roma import envs
from roma.envs.skirmish.engine import RandomPolicy
from roma.learners import algorithm_names, make_learner
from roma.runs.config import resolve
from roma.runs.experience.runner import Runner
from roma.support.seeding import Stream

pytestmark = pytest.mark.benchmark(timer=time.process_time)  # one thread; other processes count less
MAPS = ("2s3z", "MMM2", "10m_vs_11m", "27m_vs_30m")
STEP = 20  # of random play
EPSILON = 0.05
CASES = [(name, map_name) for name in ("qmix", "roma") for map_name in MAPS]
CASES += [(name, "MMM2") for name in algorithm_names() if name not in ("qmix", "roma") and "roma_" not in name]
CASES += [("roma_release", "MMM2")]


@pytest.fixture
def in_turns(benchmark, capsys):
    """Measures a call in turns with another; both do `parts` steps of what is measured."""

    def measure(call, other, parts, rounds):
        seconds = []

        def first():
            start = time.process_time()
            other()
            seconds.append(time.process_time() - start)

        benchmark.pedantic(call, setup=first, rounds=rounds, warmup_rounds=3)
        mine, of_torch = benchmark.stats.stats.median / parts, median(seconds[3:]) / parts
        benchmark.extra_info |= {"microseconds": round(1e6 * mine, 1), "times_faster": round(of_torch / mine, 2)}
        with capsys.disabled():
            print(f"\n{benchmark.name}: {1e6 * mine:.0f} us, {of_torch / mine:.1f} times as fast as torch")

    return measure


@pytest.mark.parametrize("battles", [1, 8])
@pytest.mark.parametrize(("name", "map_name"), CASES)
def test_act(benchmark, in_turns, name, map_name, battles):
    env, policy = envs.make("embedded", map_name, battles), RandomPolicy(0)
    env.reset(np.arange(battles))
    for _ in range(STEP):
        env.step(policy(env.avail_actions))
    learner = make_learner(name, resolve(map_name, name, 0).hyperparameters, env.info, 0)
    live, decisions = np.ones(battles, np.bool_), 20

    def decide(actor):
        for _ in range(decisions):
            actor.act(env.obs, env.avail_actions, live, EPSILON)

    actors = learner.compiled_actor(), learner.torch_actor()
    for actor in actors:
        actor.begin(range(battles), env.state)
    benchmark.group = f"act {map_name} {battles}"
    in_turns(lambda: decide(actors[0]), lambda: decide(actors[1]), decisions, rounds=50)


@pytest.mark.parametrize("battles", [1, 8])
@pytest.mark.parametrize(("name", "map_name"), CASES)
def test_rollout(benchmark, in_turns, name, map_name, battles):
    env = envs.make("embedded", map_name, battles)
    learner = make_learner(name, resolve(map_name, name, 0).hyperparameters, env.info, 0)
    first, second = (Runner(env, actor, 0) for actor in (learner.compiled_actor(), learner.torch_actor()))
    episodes = first.play(Stream.TRAIN, 0, battles, EPSILON)
    benchmark.group = f"rollout {map_name} {battles}"
    in_turns(
        lambda: first.play(Stream.TRAIN, 0, battles, EPSILON),
        lambda: second.play(Stream.TRAIN, 0, battles, EPSILON),
        max(episode.length for episode in episodes),
        rounds=10,
    )
