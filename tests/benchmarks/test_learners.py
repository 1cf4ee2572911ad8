"""Seconds of one learner update and milliseconds of one decision, on one thread. Run on request:

    pytest tests/benchmarks/test_learners.py --benchmark-only

Updates: 32 episodes, of 60 steps each or of the lengths of random play (every eighth of 256 battles, by length).
The plain learner beside them, which pays for padding too, is measured in the same run.
"""

import numpy as np
import plain_learner
import pytest
import torch
from plain_learner import SHAPES, random_batch

from roma.learners import algorithm, make_learner

EPISODES, STEPS, BATTLES = 32, 60, 8
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


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def learner_of(name, info):
    specification = algorithm(name)
    return make_learner(name, specification.config_class(**specification.overrides), info, seed=0)


@pytest.mark.parametrize("map_name", SHAPES)
@pytest.mark.parametrize("name", ["qmix", "roma", "roma_td"])
def test_update(benchmark, name, map_name):
    info = SHAPES[map_name]
    learner, batch = learner_of(name, info), random_batch(info, [STEPS] * EPISODES, seed=0)
    benchmark.group = f"update {map_name}"
    benchmark.pedantic(learner.update, (batch, torch.Generator(), 0), rounds=5, warmup_rounds=2)


@pytest.mark.parametrize("map_name", SHAPES)
@pytest.mark.parametrize("name", ["qmix", "roma"])
@pytest.mark.parametrize("lengths", ["played", "longest"])
def test_update_of_unequal_episodes(benchmark, lengths, name, map_name):
    """Episodes as they are played, beside as many that all take as long as the longest of them."""
    info, played = SHAPES[map_name], PLAYED[map_name]
    learner = learner_of(name, info)
    batch = random_batch(info, played if lengths == "played" else [max(played)] * EPISODES, seed=0)
    benchmark.group = f"update of unequal episodes {name} {map_name}"
    benchmark.pedantic(learner.update, (batch, torch.Generator(), 0), rounds=5, warmup_rounds=2)


@pytest.mark.parametrize("map_name", SHAPES)
@pytest.mark.parametrize("name", ["qmix", "roma"])
def test_plain_update(benchmark, name, map_name):
    info = SHAPES[map_name]
    learner, batch = learner_of(name, info), random_batch(info, [STEPS] * EPISODES, seed=0)
    noise = learner.draw_noise(batch, torch.Generator())
    plain_loss = getattr(plain_learner, f"{name}_loss")
    arguments = [learner.online, learner.target, batch, *([] if noise is None else [noise]), learner.config]
    benchmark.group = f"update {map_name}"
    benchmark.pedantic(lambda: plain_learner.update(learner, plain_loss(*arguments)), rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("map_name", SHAPES)
@pytest.mark.parametrize("name", ["qmix", "roma"])
def test_act(benchmark, name, map_name):
    info = SHAPES[map_name]
    actor, generator = learner_of(name, info).actor(), torch.Generator()
    noise = np.random.default_rng(0)
    obs = noise.standard_normal((BATTLES, info.n_agents, info.obs_size), dtype=np.float32)
    avail_actions = noise.random((BATTLES, info.n_agents, info.n_actions)) < 0.6
    actor.begin(BATTLES)
    benchmark.group = f"act {map_name}"
    benchmark.pedantic(actor.act, (obs, avail_actions, 0.05, generator), rounds=300, warmup_rounds=20)
