"""Rounds of episodes: the recording equals the play."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roma import envs
from roma.learners import algorithm_names, make_learner
from roma.runs.config import resolve
from roma.runs.experience.runner import Recorder, Runner, resimulate
from roma.support.seeding import Stream, episode_seed
from tests.actors import KINDS


@pytest.fixture(scope="module")
def learner():
    config = resolve("3m", "qmix", 0, overrides={"hidden_dim": 8})
    return make_learner("qmix", config.hyperparameters, envs.make("embedded", "3m", 1).info, 0)


def play(learner, battles, first, count, epsilon=1.0, stream=Stream.TRAIN):
    runner = Runner(envs.make("embedded", "3m", battles), learner.actor(), 0)
    return runner.play(stream, first, count, epsilon)


def assert_same(one, other):
    assert (one.seed, one.terminated, one.won, one.length) == (other.seed, other.terminated, other.won, other.length)
    for name in ("snapshots", "actions", "reward"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_episodes_have_their_real_lengths_and_seeds(learner):
    env = envs.make("embedded", "3m", 4)
    episodes = play(learner, 4, first=10, count=4)
    assert [episode.seed for episode in episodes] == [episode_seed(0, Stream.TRAIN, i) for i in range(10, 14)]
    assert len({episode.length for episode in episodes}) > 1
    for episode in episodes:
        length = episode.length
        assert 1 <= length <= env.info.episode_limit
        assert episode.snapshots.shape == (length + 1, *env.snapshots.shape[1:])
        assert episode.actions.shape == (length, env.info.n_agents)
        assert episode.terminated
        assert episode.episode_return == pytest.approx(episode.reward.sum())


def test_a_round_is_a_function_of_run_seed_stream_and_index(learner):
    for one, other in zip(play(learner, 4, 8, 4), play(learner, 4, 8, 4), strict=True):
        assert_same(one, other)
    train, test = play(learner, 4, 0, 4), play(learner, 4, 0, 4, stream=Stream.TEST)
    assert not {episode.seed for episode in train} & {episode.seed for episode in test}


def played_side_by_side(name, kind, epsilon):
    """Return episodes 4 to 11 of an algorithm's actor, played one by one, and three and eight at a time."""
    learner = make_learner(name, resolve("2s3z", name, 0).hyperparameters, envs.make("embedded", "2s3z", 1).info, 0)
    alone, *others = (
        Runner(envs.make("embedded", "2s3z", battles), getattr(learner, kind)(), 0).play(Stream.TEST, 4, 8, epsilon)
        for battles in (1, 3, 8)
    )
    assert len({episode.length for episode in alone}) > 1
    return alone, others


@pytest.mark.parametrize("name", [name for name in algorithm_names() if not name.startswith("roma_release")])
@pytest.mark.parametrize("epsilon", [None, 0.3])
def test_episodes_do_not_depend_on_how_many_run_side_by_side(name, epsilon):
    """Nor on ended ones, except with batch normalisation, which mixes the episodes of a round."""
    alone, others = played_side_by_side(name, "compiled_actor", epsilon)
    for episodes in others:
        for one, other in zip(alone, episodes, strict=True):
            assert_same(one, other)
            assert one.latent == other.latent


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", algorithm_names())
def test_draws_do_not_depend_on_how_many_run_side_by_side(name, kind):
    """With full exploration, actions depend only on the draws, so that rounding makes no difference."""
    alone, others = played_side_by_side(name, kind, 1.0)
    for episodes in others:
        for one, other in zip(alone, episodes, strict=True):
            assert_same(one, other)
            assert one.latent == other.latent


def test_a_count_beyond_the_battles_takes_several_rounds_and_a_last_smaller_one(learner):
    together = play(learner, 4, 0, 6)
    assert [episode.seed for episode in together] == [episode_seed(0, Stream.TRAIN, i) for i in range(6)]
    for one, other in zip(together, play(learner, 4, 0, 4) + play(learner, 4, 4, 2), strict=True):
        assert_same(one, other)


@settings(max_examples=15, deadline=None)
@given(first=st.integers(0, 10_000), count=st.integers(1, 9), battles=st.integers(1, 8))
def test_battles_fought_again_are_the_same_bit_for_bit(learner, first, count, battles):
    episodes = play(learner, 3, first, count)
    env = envs.make("embedded", "3m", battles)
    again = resimulate(env, [episode.seed for episode in episodes], [episode.actions for episode in episodes])
    for one, other in zip(episodes, again, strict=True):
        assert_same(one, other)


def test_a_battle_that_ends_elsewhere_comes_back_with_another_length(learner):
    (episode,) = play(learner, 1, 0, 1)
    (shorter,) = resimulate(envs.make("embedded", "3m", 2), [episode.seed], [episode.actions[:-1]])
    assert shorter.length == episode.length - 1
    assert not shorter.terminated


def test_episodes_outlive_the_next_round(learner):
    recorder = Recorder(env := envs.make("embedded", "3m", 1))
    recorder.begin([1])
    while recorder.step(env.avail_actions.argmax(-1)):
        pass
    (episode,) = recorder.episodes()
    before = episode.snapshots.copy()
    recorder.begin([2])
    np.testing.assert_array_equal(episode.snapshots, before)
