"""Checkpoints: round trip, and detection of damage."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from roma import envs
from roma.learners import make_learner
from roma.runs import checkpoint
from roma.runs.checkpoint import RunState
from roma.runs.config import resolve
from roma.runs.experience.replay import Replay
from roma.runs.experience.runner import Runner
from roma.support.errors import UserError
from roma.support.seeding import Stream

LOG = logging.getLogger("test")
CONFIG = resolve("3m", "qmix", 0, overrides={"hidden_dim": 8})
TENSORS = {"a": torch.arange(3.0), "b": torch.tensor(7)}


@pytest.fixture(scope="module")
def replay():
    """Return a replay buffer of 6 episodes whose slots have been overwritten once."""
    env = envs.make("embedded", "3m", 4)
    runner = Runner(env, make_learner("qmix", CONFIG.hyperparameters, env.info, 0).actor(), 0)
    replay = Replay(6)
    replay.insert(runner.play(Stream.TRAIN, 0, 8, epsilon=1.0))
    return replay


def save(directory, replay, t_env, **others):
    state = RunState(t_env=t_env, metrics=[{"t_env": 1, "loss": float("nan")}], sums={"loss": [0.1 + 0.2, 3]})
    return checkpoint.save(directory, CONFIG, state, TENSORS, replay, {0: b"policy"}, **others)


def test_everything_comes_back(tmp_path, replay):
    save(tmp_path, replay, 5)
    stored = checkpoint.newest(tmp_path, CONFIG, LOG)
    assert stored.state.sums == {"loss": [0.1 + 0.2, 3]}
    assert np.isnan(stored.state.metrics[0]["loss"])
    assert stored.policies == {0: b"policy"}
    assert all(torch.equal(stored.learner[name], tensor) for name, tensor in TENSORS.items())
    again = Replay(6)
    stored.restore_replay(again, envs.make("embedded", "3m", 5))
    assert again.inserted == 8
    for one, other in zip(replay.episodes, again.episodes, strict=True):
        assert (one.seed, one.terminated, one.won) == (other.seed, other.terminated, other.won)
        for name in ("snapshots", "actions", "reward"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_checkpoint_is_small(tmp_path, replay):
    observations = sum(episode.snapshots.nbytes for episode in replay.episodes)
    assert save(tmp_path, replay, 5).stat().st_size < observations / 5


def test_the_newest_two_stay(tmp_path, replay):
    kept = [save(tmp_path, replay, t_env) for t_env in (5, 70, 600, 600)]
    assert kept[2] == kept[3]
    assert checkpoint.paths(tmp_path) == [kept[1], kept[3]]


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty"])
def test_a_damaged_newest_gives_way_to_the_one_before(tmp_path, replay, damage, caplog):
    older, newer = save(tmp_path, replay, 5), save(tmp_path, replay, 6)
    content = bytearray(newer.read_bytes())
    content[len(content) // 2] ^= 1
    newer.write_bytes({"flip": bytes(content), "truncate": content[:-1], "empty": b""}[damage])
    assert checkpoint.newest(tmp_path, CONFIG, LOG).path == older
    assert newer.name in caplog.text
    assert checkpoint.paths(tmp_path) == [older]


def test_all_damaged_is_an_error_that_names_them(tmp_path, replay):
    path = save(tmp_path, replay, 5)
    path.write_bytes(b"")
    with pytest.raises(UserError, match=path.name):
        checkpoint.newest(tmp_path, CONFIG, LOG)
    assert path.exists()


@pytest.mark.parametrize(
    "config",
    [
        resolve("3m", "qmix", 1, overrides={"hidden_dim": 8}),
        resolve("3m", "qmix", 0),
        replace(CONFIG, engine_version="2"),
        replace(CONFIG, algorithm_version=2),
    ],
)
def test_checkpoints_of_another_run_are_not_used(tmp_path, replay, config):
    save(tmp_path, replay, 5)
    assert checkpoint.newest(tmp_path, config, LOG) is None


def test_episodes_with_other_outcomes_are_an_error(tmp_path, replay):
    save(tmp_path, replay, 5)
    stored = checkpoint.newest(tmp_path, CONFIG, LOG)
    stored._replay["seeds"][0] += 1
    with pytest.raises(UserError, match="cannot be re-simulated here: their outcomes differ"):
        stored.restore_replay(Replay(6), envs.make("embedded", "3m", 5))


def test_packing_is_a_function_of_its_input(tmp_path):
    facts = {"b": [1, 2.5], "a": {"x": "y"}}
    content = checkpoint.pack_policy(TENSORS, facts)
    assert content == checkpoint.pack_policy(TENSORS, facts)
    (tmp_path / "t0.safetensors").write_bytes(content)
    tensors, read = checkpoint.load_policy(tmp_path / "t0.safetensors")
    assert read == facts
    assert all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())


def test_a_checkpoint_of_a_later_format_is_an_error_and_stays(tmp_path, replay, monkeypatch):
    with monkeypatch.context() as later:
        later.setattr(checkpoint, "KIND", checkpoint.KIND._replace(format=2))
        path = save(tmp_path, replay, 5)
    with pytest.raises(UserError, match=r"t000000005\.safetensors has format 2, this version of roma reads 1"):
        checkpoint.newest(tmp_path, CONFIG, LOG)
    assert path.exists()
