"""Seconds of one learner update, on one thread, in processor time. Run on request:

    pytest tests/benchmarks/test_learners.py

Updates: 32 episodes (COMA: 8) of 60 steps each, in turns with the plain learner where there is one (plain_learner.py);
and 32 episodes of the lengths of random play (every eighth of 256 battles, by length), in turns with as many that all
take as long as the longest. What one costs of the other is printed and saved with the times.
"""

import time
from statistics import median

import pytest

from roma.learners import algorithm, algorithm_names, make_learner
from tests.reference import plain_learner
from tests.reference.episodes import SHAPES, random_batch

pytestmark = pytest.mark.benchmark(timer=time.process_time)  # one thread; other processes count less
STEPS = 60
WARM_UP = 3  # updates until the memory of the process stops growing
AIMS = {"qmix": 2, "roma": 5}  # how many times as fast as the plain learner
MOST_OF_PADDED = 0.7  # largest cost of an update with unequal episodes, relative to one with equal episodes
# fmt: off
PLAYED = {
    "2s3z": [42, 43, 45, 45, 46, 46, 47, 47, 47, 48, 49, 49, 49, 49, 50, 50,
             51, 51, 52, 52, 52, 53, 53, 53, 54, 55, 56, 57, 60, 64, 72, 93],
    "MMM2": [26, 29, 30, 32, 33, 33, 34, 34, 35, 35, 36, 36, 37, 37, 37, 38,
             38, 39, 39, 39, 40, 40, 40, 41, 41, 42, 43, 44, 46, 49, 55, 75],
    "27m_vs_30m": [34, 35, 36, 37, 37, 38, 38, 38, 39, 39, 39, 39, 40, 40, 40, 41,
                   41, 41, 41, 42, 42, 42, 42, 43, 43, 43, 44, 44, 45, 47, 50, 54],
}
# fmt: on
UPDATES = [(name, map_name) for name in ("qmix", "roma") for map_name in SHAPES]
UPDATES += [(name, "MMM2") for name in algorithm_names() if name not in ("qmix", "roma")]


@pytest.fixture
def in_turns(benchmark, capsys):
    """Measure a call alternately with another, and return, print and save the ratio of their times.

    Each call is timed after one of its own kind, with the memory that this one has left.
    """

    def measure(call, other, name, rounds=7):
        seconds = []

        def first():
            other()
            start = time.process_time()
            other()
            seconds.append(time.process_time() - start)
            call()

        benchmark.pedantic(call, setup=first, rounds=rounds, warmup_rounds=WARM_UP)
        of_other = median(seconds[WARM_UP:])
        ratio = of_other / benchmark.stats.stats.median
        benchmark.extra_info |= {"seconds_of_the_other": of_other, "times_faster": round(ratio, 2)}
        with capsys.disabled():
            print(f"\n{benchmark.name}: {benchmark.stats.stats.median:.3f} s, {ratio:.2f} times as fast as {name}")
        return ratio

    return measure


def learner_of(name, info):
    specification = algorithm(name)
    return make_learner(name, specification.config_class(**specification.overrides), info, seed=0)


@pytest.mark.parametrize(("name", "map_name"), UPDATES)
def test_update(benchmark, in_turns, name, map_name):
    info = SHAPES[map_name]
    learner = learner_of(name, info)
    episodes = algorithm(name).protocol_settings.get("batch_size", 32)
    batch = random_batch(info, [STEPS] * episodes, seed=0)
    benchmark.group = f"update {map_name}"

    def update():
        learner.update(batch, 0, 0, 0.05)

    if name not in plain_learner.LOSSES:
        benchmark.pedantic(update, rounds=5, warmup_rounds=WARM_UP)
        return
    noise = learner.draw_noise(batch, 0)
    arguments = [learner.online, learner.target, batch, *([] if noise is None else [noise]), learner.config]

    def plain_update():
        plain_learner.update(learner, plain_learner.LOSSES[name](*arguments))

    aim = f" (aim: {AIMS[name]})" if name in AIMS else ""
    assert in_turns(update, plain_update, f"the plain learner{aim}") > 1


@pytest.mark.parametrize("map_name", SHAPES)
@pytest.mark.parametrize("name", ["qmix", "roma"])
def test_update_of_unequal_episodes(benchmark, in_turns, name, map_name):
    """Work is proportional to real timesteps: the limit is MOST_OF_PADDED, or the share of real steps if larger."""
    info, played = SHAPES[map_name], PLAYED[map_name]
    learner = learner_of(name, info)
    of_play = random_batch(info, played, seed=0)
    of_longest = random_batch(info, [max(played)] * len(played), seed=0)
    benchmark.group = f"update of unequal episodes {map_name}"
    real = sum(played) / (max(played) * len(played))
    ratio = in_turns(
        lambda: learner.update(of_play, 0, 0),
        lambda: learner.update(of_longest, 0, 0),
        f"one of equal episodes, of which {real:.0%} is real here",
    )
    assert 1 / ratio <= max(MOST_OF_PADDED, 1.1 * real)


@pytest.mark.parametrize("map_name", SHAPES)
def test_diagnostics(benchmark, in_turns, map_name):
    """Measured once a test interval, for which ROMA makes 60 to 100 updates and plays as many rounds."""
    info = SHAPES[map_name]
    learner = learner_of("roma", info)
    batch = random_batch(info, [STEPS] * 32, seed=0)
    types = [["Marine", "Medivac"] * info.n_agents] * 32
    benchmark.group = f"diagnostics {map_name}"
    in_turns(lambda: learner.diagnostics(batch, types, 0), lambda: learner.update(batch, 0, 0), "an update")
