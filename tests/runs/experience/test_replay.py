"""The replay buffer returns the observations that the runner saw."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from roma import envs
from roma.learners import make_learner
from roma.runs.config import resolve
from roma.runs.experience.replay import BatchBuilder, Replay
from roma.runs.experience.runner import Episode, Runner
from roma.support.seeding import Stream


class Witness:
    """Actor that stores all its inputs, for one episode at a time."""

    def __init__(self, env, actor):
        self.env, self.actor, self.battles = env, actor, []

    def begin(self, keys, state):
        self.battles.append([])
        return self.actor.begin(keys, state)

    def act(self, obs, avail_actions, live, epsilon):
        self.note()
        return self.actor.act(obs, avail_actions, live, epsilon)

    def note(self):
        self.battles[-1].append([array[0].copy() for array in (self.env.obs, self.env.state, self.env.avail_actions)])


@pytest.fixture(scope="module", params=["3m", "2s3z"])
def witnessed(request):
    """Return an environment, twelve episodes, and [(obs, state, avail)] of each episode."""
    env = envs.make("embedded", request.param, 1)
    config = resolve(request.param, "qmix", 0, overrides={"hidden_dim": 8})
    witness = Witness(env, make_learner("qmix", config.hyperparameters, env.info, 0).actor())
    runner = Runner(env, witness, 0)
    episodes = []
    for index in range(12):
        episodes += runner.play(Stream.TRAIN, index, 1, epsilon=1.0)
        witness.note()  # what was seen after the last action
    return env, episodes, witness.battles


def numbered(count, first=0):
    """Return episodes that contain only a number."""
    nothing = np.zeros((1, 1))
    return [Episode(i, nothing, nothing, nothing[0], True, False) for i in range(first, first + count)]


def seeds(episodes):
    return [episode.seed for episode in episodes]


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_a_batch_is_what_was_seen(witnessed, data):
    env, episodes, seen = witnessed
    chosen = data.draw(st.lists(st.integers(0, len(episodes) - 1), min_size=1, max_size=4))
    builder = BatchBuilder(env, 4, torch.device("cpu"))
    builder.build(episodes[:4])  # leaves its values in the buffers
    batch = builder.build([episodes[i] for i in chosen])
    longest = max(episodes[i].length for i in chosen)
    assert batch.obs.shape == (len(chosen), longest + 1, env.info.n_agents, env.info.obs_size)
    for row, index in enumerate(chosen):
        episode, length = episodes[index], episodes[index].length
        for name, moments in zip(("obs", "state", "avail_actions"), zip(*seen[index], strict=True), strict=True):
            got = getattr(batch, name)[row].numpy()
            np.testing.assert_array_equal(got[: length + 1], np.stack(moments))
            assert not got[length + 1 :].any()
        for name, expected in (("actions", episode.actions), ("reward", episode.reward), ("mask", np.ones(length))):
            got = getattr(batch, name)[row].numpy()
            np.testing.assert_array_equal(got[:length], expected)
            assert not got[length:].any()
        assert batch.terminated[row].nonzero().tolist() == [[length - 1]]


def test_the_oldest_episodes_go_first():
    replay = Replay(5)
    replay.insert(numbered(3))
    assert seeds(replay.episodes) == [0, 1, 2]
    replay.insert(numbered(4, first=3))
    assert seeds(replay.episodes) == [5, 6, 2, 3, 4]
    assert (len(replay), replay.inserted) == (5, 7)


def test_sampling_is_without_replacement_uniform_and_a_function_of_seed_and_update():
    replay = Replay(20)
    replay.insert(numbered(20))
    drawn = [seeds(replay.sample(5, run_seed=0, update=update)) for update in range(2000)]
    assert all(len(set(sample)) == 5 for sample in drawn)
    counts = np.bincount(np.ravel(drawn), minlength=20)
    assert abs(counts - 500).max() < 5 * np.sqrt(500)
    assert drawn[7] == seeds(replay.sample(5, run_seed=0, update=7))
    assert drawn[7] != seeds(replay.sample(5, run_seed=1, update=7))


def test_exactly_a_batch_comes_in_order():
    replay = Replay(20)
    replay.insert(numbered(5))
    assert seeds(replay.sample(5, run_seed=0, update=0)) == [0, 1, 2, 3, 4]
