"""Every learner on a GPU and on the CPU, with the same noise, and checks that need no GPU."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from roma.envs.vector import EnvInfo
from roma.learners import algorithm, algorithm_names, make_learner
from roma.runs import checkpoint
from roma.runs.config import resolve
from roma.runs.training import train
from tests.actors import hidden_of
from tests.reference.episodes import random_batch

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")

INFO = EnvInfo("synthetic", n_agents=4, n_enemies=0, n_actions=6, obs_size=9, state_size=35, episode_limit=20)
BATCH = random_batch(INFO, [7, 3, 5], seed=3)
TOLERANCE = {"atol": 1e-4, "rtol": 1e-3}  # for float32 sums in another order
COUNTED = "saturated_pair_share"  # counts pairs beyond a bound; a last bit can move a pair across it


def learner_on(device, name):
    specification = algorithm(name)
    return make_learner(name, specification.config_class(**specification.overrides), INFO, 0, device)


def moved(batch, device):
    return replace(batch, **{name: value.to(device) for name, value in vars(batch).items()})


def decided(learner, kind="torch_actor"):
    """Return the hidden state after one decision in three episodes."""
    noise, actor = np.random.default_rng(0), getattr(learner, kind)()
    actor.begin(range(3), np.zeros((3, INFO.state_size), np.float32))
    obs = noise.standard_normal((3, INFO.n_agents, INFO.obs_size), dtype=np.float32)
    actor.act(obs, np.ones((3, INFO.n_agents, INFO.n_actions), np.bool_), np.ones(3, np.bool_), 0.3)
    return hidden_of(actor)


def updated(learner, batch, episode):
    """Return the statistics of one update, as tensors."""
    if learner.learns_from_rounds:
        learner.learn_from_round(batch, episode)
    statistics = learner.update(batch, episode, episode, 0.3)
    return {key: torch.tensor(value, device="cpu") for key, value in statistics.items()}


@pytest.mark.parametrize("name", algorithm_names())
def test_every_tensor_is_made_where_it_is_needed(name):
    """A different default device changes nothing: every tensor is created with an explicit device."""
    expected, found = [], []
    for default, results in (("cpu", expected), ("meta", found)):
        learner = learner_on("cpu", name)
        updated(learner, BATCH, 24)
        with torch.device(default):
            results += [updated(learner, BATCH, 200), decided(learner), decided(learner, "compiled_actor")]
            results += [learner.online.state_dict()]
    assert_close(found, expected, atol=0, rtol=0, equal_nan=True)


@on_gpu
@pytest.mark.parametrize("name", algorithm_names())
def test_an_update_is_that_of_the_cpu(name):
    here, there = (learner_on(device, name) for device in ("cpu", "cuda"))
    for episode in (24, 200):  # the second copies into the target network
        expected, found = updated(here, BATCH, episode), updated(there, moved(BATCH, "cuda"), episode)
        counts = [statistics.pop(COUNTED, torch.tensor(0.0)) for statistics in (found, expected)]
        assert_close(*counts, atol=0.02, rtol=0, equal_nan=True)
        assert_close(found, expected, equal_nan=True, **TOLERANCE)
    weights = {key: value.cpu() for key, value in there.state_tensors().items()}
    assert_close(weights, here.state_tensors(), **TOLERANCE)
    assert {parameter.device.type for parameter in there.online.parameters()} == {"cuda"}


@on_gpu
@pytest.mark.parametrize("name", algorithm_names())
def test_decisions_are_those_of_the_cpu(name):
    here, there = (decided(learner_on(device, name), "actor") for device in ("cpu", "cuda"))
    assert there.device.type == "cuda"
    assert_close(there.cpu(), here, **TOLERANCE)


@on_gpu
@pytest.mark.parametrize("name", ["roma", "coma", "maven", "qtran", "qmix_nps"])
def test_a_run_on_the_gpu_can_be_resumed(tmp_path, name):
    settings = {"test_interval": 200, "test_episodes": 4, "hidden_dim": 8}
    settings |= {} if name == "coma" else {"parallel_envs": 4, "batch_size": 8, "buffer_size": 30}
    config = resolve("3m", name, 0, overrides=settings)
    for total_steps in (400, 800):
        assert train(config, tmp_path, total_steps, device="cuda", checkpoint_seconds=0) is None
    assert checkpoint.paths(tmp_path / "checkpoints")
    assert "resumed from" in (tmp_path / "train.log").read_text()
