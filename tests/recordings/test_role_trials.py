"""Decisions with roles other than an agent's own, against plain loops."""

import numpy as np
import pytest
import torch

from roma import envs
from roma.envs.vector import observe_with_actions
from roma.learners import make_learner
from roma.recordings.role_trials import ShuffledRoles, following, try_roles
from roma.runs.config import resolve
from roma.runs.experience.runner import Runner
from roma.support.seeding import Stream

SMALL = {"hidden_dim": 16, "role_at_test": "mean"}


def made(algorithm="roma", seed=3):
    config = resolve("2s3z", algorithm, seed, overrides=SMALL)
    env = envs.make("embedded", "2s3z", 3, config.engine_settings)
    learner = make_learner(algorithm, config.hyperparameters, env.info, seed)
    agent = learner.online.agent
    generator = torch.Generator().manual_seed(seed)
    for layer in (agent.role_encoder.output_layer, agent.role_decoder.output_layer):
        layer.weight.data.normal_(generator=generator)  # roles far apart, so that they change decisions
    return learner, env


def seen(env, episode):
    before = np.concatenate([np.full_like(episode.actions[:1], -1, np.int64), episode.actions])
    return *observe_with_actions(env, episode.snapshots, before, np.arange(episode.length + 1)), before


@pytest.fixture(scope="module")
def round_of_three():
    """Return a learner and three episodes with observations, available actions and role records."""
    learner, env = made()
    played = Runner(env, learner.actor(), 3).play(Stream.ROLLOUT, 0, 3)
    obs, avail_actions, before = zip(*(seen(env, episode) for episode in played), strict=True)
    records = learner.role_records(*([torch.from_numpy(each) for each in parts] for parts in (obs, before)))
    return learner, played, avail_actions, records


def test_without_variance_decisions_are_those_of_mean_roles(round_of_three):
    learner, played, avail_actions, records = round_of_three
    certain = [record._replace(role_variance=torch.zeros_like(record.role_variance)) for record in records]
    agent, every = learner.online.agent, 3
    trials = try_roles(agent, certain, avail_actions, every, np.random.default_rng(0))
    start, expected = 0, []
    for episode in played:
        expected += range(start, start + episode.length, every)
        start += episode.length + 1
    assert trials.tried.tolist() == expected
    actions = np.concatenate([np.concatenate([e.actions, np.zeros_like(e.actions[:1])]) for e in played])
    means = torch.cat([record.role_mean for record in records])
    states = torch.cat([torch.cat([record.trajectory[1:], record.trajectory[:1]]) for record in records])
    available = np.concatenate(avail_actions)
    moved = 0
    for place, moment in enumerate(trials.tried):
        alive = ~available[moment, :, 0]
        for i in range(5):
            if not alive[i]:
                assert (trials.resampled[place, i] == -1).all()
                assert (trials.lender[place, i] == trials.exchanged[place, i]).all()
                continue
            assert (trials.resampled[place, i] == actions[moment, i]).all()
            if alive.sum() == 1:
                assert (trials.lender[place, i] == -1).all()
                continue
            for other, action in zip(trials.lender[place, i], trials.exchanged[place, i], strict=True):
                assert other != i
                assert alive[other]
                values = agent.role_decoder(means[moment, other][None], states[moment, i][None])[0].numpy()
                assert action == np.where(available[moment, i], values, -np.inf).argmax()
                moved += action != actions[moment, i]
    assert moved > 0


def test_own_roles_are_drawn_with_their_variance(round_of_three):
    learner, _, avail_actions, records = round_of_three
    wide = [record._replace(role_variance=100 * torch.ones_like(record.role_variance)) for record in records]
    trials = try_roles(learner.online.agent, wide, avail_actions, 1, np.random.default_rng(0))
    assert (trials.resampled.max(-1) != trials.resampled.min(-1)).mean() > 0.2


def test_the_next_living_agent_lends_its_role():
    ranks = np.array([[2, 0, 1, 3], [0, 1, 2, 3], [3, 2, 1, 0]])
    living = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [0, 0, 1, 0]], bool)
    assert following(ranks, living).tolist() == [[3, 2, 0, 1], [2, 1, 3, 0], [0, 1, 2, 3]]


@pytest.mark.parametrize("algorithm", ["roma", "roma_release"])
def test_where_all_roles_are_one_shuffling_changes_nothing(algorithm):
    learner, env = made(algorithm)
    agent = learner.online.agent

    def battles(actor):
        return [(e.actions.tolist(), e.episode_return) for e in Runner(env, actor, 3).play(Stream.ROLLOUT, 0, 3)]

    shuffled = ShuffledRoles(agent, 5, 16, torch.device("cpu"))
    plain = battles(learner.torch_actor())
    assert battles(shuffled) != plain
    assert battles(shuffled) == battles(shuffled)
    with torch.no_grad():
        agent.role_encoder.output_layer.weight.zero_()
    assert battles(shuffled) == battles(learner.torch_actor())
