"""The compiled actor decides like the torch actor, in whole episodes of every arm on real maps."""

import os
import subprocess
import sys
from hashlib import sha256

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from roma import envs
from roma.learners import algorithm_names, make_learner
from roma.learners.base.acting import CompiledActor, TorchActor
from roma.nets.compiled import lay_out
from roma.nets.ops.acting.choice import Choice
from roma.nets.recurrent import UtilityAgent
from roma.runs.config import resolve
from tests.actors import hidden_of

BATTLES = 3
MAPS = ("2s3z", "MMM2")
APART = [name for name in algorithm_names() if not name.startswith("roma_release")]  # without batch normalisation


def trained(name, info, **overrides):
    """Return a learner with enlarged weights, so that decisions differ between agents and steps."""
    learner = make_learner(name, resolve("3m", name, 0, overrides=overrides).hyperparameters, info, 0)
    with torch.no_grad():
        for parameter in learner.online.agent.parameters():
            parameter.mul_(2)
    return learner


def play(env, actor, keys, epsilon, steps=60):
    """Return actions (T, E, A) of new episodes, 0 for ended ones, and the latents that the actor drew."""
    env.reset(np.arange(len(keys)))
    latents, live, actions = actor.begin(keys, env.state), np.ones(len(keys), np.bool_), []
    while live.any() and len(actions) < steps:
        actions.append(actor.act(env.obs, env.avail_actions, live, epsilon))
        live &= ~env.step(actions[-1], live).terminated
    return np.array(actions), latents


class Both:
    """Pair of actors that must agree in every decision; it returns the decisions of the first."""

    def __init__(self, first, second):
        self.actors, self.decided = (first, second), 0

    def begin(self, keys, state):
        first, second = (actor.begin(keys, state) for actor in self.actors)
        assert_array_equal(first, second)
        return first

    def act(self, obs, avail_actions, live, epsilon):
        first, second = (actor.act(obs, avail_actions, live, epsilon) for actor in self.actors)
        assert np.array_equal(first, second)
        of_first, of_second = (hidden_of(actor)[torch.from_numpy(live)] for actor in self.actors)
        assert torch.allclose(of_first, of_second, rtol=0, atol=1e-5)
        self.decided += live.sum() * first.shape[1]
        return first


@pytest.mark.parametrize("epsilon", [None, 0.3])
@pytest.mark.parametrize("map_name", MAPS)
@pytest.mark.parametrize("name", algorithm_names())
def test_decisions_are_those_of_torch(name, map_name, epsilon):
    env = envs.make("embedded", map_name, BATTLES)
    learner = trained(name, env.info)
    assert isinstance(learner.actor(), CompiledActor)
    both = Both(learner.torch_actor(), learner.actor())
    for keys in (range(BATTLES), range(5, 5 + BATTLES)):
        actions, _ = play(env, both, keys, epsilon)
        assert len(np.unique(actions)) > 2
    assert both.decided > 100


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("qmix", {"hidden_dim": 7}),
        ("qmix_lar", {"further_layers": (5,)}),
        ("qmix_lar", {"further_layers": (70, 3, 9)}),
        ("roma", {"hidden_dim": 5, "role_dim": 1, "role_hidden": 3}),
        ("roma", {"role_at_test": "mean", "role_dim": 6}),
        ("roma", {"role_input": "everything"}),
        ("roma_release", {"role_input": "observation", "role_dim": 5}),
        ("maven", {"noise_dim": 2, "latent_policy": "uniform"}),
    ],
)
@pytest.mark.parametrize("epsilon", [None, 0.3])
def test_decisions_are_those_of_torch_under_other_settings(name, overrides, epsilon):
    env = envs.make("embedded", "2s3z", BATTLES)
    learner = trained(name, env.info, **overrides)
    both = Both(learner.torch_actor(), learner.actor())
    play(env, both, range(BATTLES), epsilon)
    assert both.decided > 100


@pytest.mark.parametrize("shared", [True, False])
def test_one_agent(shared):
    torch.manual_seed(0)
    agent = UtilityAgent(5, 4, 1, 6, shared=shared)
    both = Both(TorchActor(agent, 1, 6, torch.device("cpu")), CompiledActor(agent, 1))
    both.begin([0, 1], np.zeros((2, 3), np.float32))
    noise = np.random.default_rng(0)
    for _ in range(20):
        obs, avail_actions = noise.standard_normal((2, 1, 5), np.float32), noise.random((2, 1, 4)) < 0.6
        both.act(obs, avail_actions, np.ones(2, np.bool_), 0.3)


@pytest.mark.parametrize("epsilon", [None, 0.3])
@pytest.mark.parametrize("name", APART)
def test_decisions_do_not_depend_on_the_number_of_battles(name, epsilon):
    """The hidden states are bit-equal for any number of parallel battles and of ended ones."""
    learner = trained(name, envs.make("embedded", "2s3z", 1).info)
    noise = np.random.default_rng(0)
    info, steps = learner.info, 12
    obs = noise.standard_normal((steps, 5, info.n_agents, info.obs_size), np.float32)
    obs[noise.random(obs.shape) < 0.6] = 0
    avail_actions = noise.random((*obs.shape[:3], info.n_actions)) < 0.6
    state = noise.standard_normal((5, info.state_size), np.float32)

    def decisions(battles, ends):
        actor, actions = learner.actor(), []
        latents = actor.begin(battles, state[battles])
        for step in range(steps):
            live = step < np.array([ends.get(battle, steps) for battle in battles])
            actions.append(actor.act(obs[step, battles], avail_actions[step, battles], live, epsilon))
        here = battles.index(3)
        return np.array(actions)[:, here], hidden_of(actor)[here], latents if latents is None else latents[here]

    alone = decisions([3], {})
    for battles, ends in (([3, 4], {4: 2}), ([0, 1, 2, 3, 4], {0: 1, 4: 9})):
        for mine, expected in zip(decisions(battles, ends), alone, strict=True):
            assert_array_equal(mine, expected)


def test_only_live_battles_are_computed():
    learner = trained("roma", envs.make("embedded", "3m", 1).info)
    actor, info = learner.actor(), learner.info
    actor.begin([0, 1], np.zeros((2, info.state_size), np.float32))
    obs = np.ones((2, info.n_agents, info.obs_size), np.float32)
    actor.act(obs, np.ones((2, info.n_agents, info.n_actions), np.bool_), np.array([True, False]), None)
    assert hidden_of(actor)[0].any()
    assert not hidden_of(actor)[1].any()


def digest_of_decisions():
    """Return the digest of actions and hidden states of networks with the same weights on every machine."""
    info = envs.make("embedded", "2s3z", 1).info
    noise, content = np.random.default_rng(0), []
    obs = np.round(noise.random((6, 4, info.n_agents, info.obs_size)) * 8 - 4).astype(np.float32) / 8
    avail_actions = noise.random((*obs.shape[:3], info.n_actions)) < 0.6
    for name in ("qmix_lar", "qmix_nps", "roma", "roma_release", "maven", "coma"):
        learner = trained(name, info)
        with torch.no_grad():
            for parameter in learner.online.agent.parameters():
                parameter.copy_(torch.from_numpy(noise.integers(-512, 512, parameter.shape) / 2048))
        network = lay_out(learner.online.agent, 4, info.n_agents)
        if name == "maven":
            state = noise.integers(-8, 8, (4, info.state_size)).astype(np.float32)
            content.append(network.draw_latents(state, noise.random(4), learnt=True))
        for step in range(6):
            draws = noise.random((4, info.n_agents, 2))
            role_noise = noise.integers(-9, 9, (4, info.n_agents, learner.online.agent.role_dim)).astype(np.float32) / 8
            how, live = Choice(step == 0, 0.3, name == "coma"), np.arange(4) < 6 - step
            content.append(network.act(how, obs[step], avail_actions[step], live, draws, role_noise))
        content.append(network.memory.hidden)
    return sha256(b"".join(np.ascontiguousarray(each).tobytes() for each in content)).hexdigest()


PINNED = "6fb4112ce6b157816c80a0bf62a48ad194bc5b3e17dcdf0d1d29c0cd34a97acf"


def test_decisions_are_the_same_under_another_instruction_set():
    """Bit for bit, with machine code for the oldest 64-bit processors, and against a recorded digest."""
    environment = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    program = "from tests.learners.test_acting import digest_of_decisions; print(digest_of_decisions())"
    plain = subprocess.run([sys.executable, "-c", program], env=environment, text=True, capture_output=True, check=True)
    assert plain.stdout.strip() == digest_of_decisions() == PINNED
