"""Seconds of one learner update and milliseconds of one decision, on one thread. Run on request:

    pytest tests/benchmarks/test_learners.py --benchmark-only

Updates: 32 full-length episodes of 60 steps. The plain learner beside it is measured in the same run.
"""

import numpy as np
import plain_learner
import pytest
import torch
from plain_learner import SHAPES, random_batch

from roma.learners import algorithm, make_learner

EPISODES, STEPS, BATTLES = 32, 60, 8


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
