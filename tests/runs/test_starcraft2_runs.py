"""Whole runs on StarCraft II, with the stand-in for SMAC: both protocols, interruption, provenance."""

import json
import logging
import signal

import numpy as np
import pytest
import torch

from roma import cli, envs
from roma.envs.skirmish.recordings.file import load
from roma.recordings import rollout, rollout_file
from roma.recordings.evaluate import evaluate
from roma.runs import checkpoint
from roma.runs.config import resolve
from roma.runs.experience import episodes
from roma.runs.experience.replay import BatchBuilder, Replay
from roma.runs.loop import Run
from roma.runs.training import train
from roma.support.errors import UserError
from tests.runs.training.short_runs import stop_in_round

LOG = logging.getLogger("test")
SETTINGS = {"batch_size": 8, "buffer_size": 12, "test_interval": 150, "test_episodes": 3, "hidden_dim": 8}
FIELDS = ("snapshots", "actions", "reward")
SEEN = ("obs", "state", "avail_actions")


def configuration(protocol="paper", **others):
    return resolve("3m", "qmix", 3, protocol, "starcraft2", SETTINGS | others)


FEW = configuration(parallel_envs=2)


def same(one, other):
    """Return whether two episodes are bit-equal."""
    facts = [(e.seed, e.terminated, e.won) for e in (one, other)]
    pairs = [(getattr(one, name), getattr(other, name)) for name in FIELDS]
    pairs += [(getattr(one.seen, name), getattr(other.seen, name)) for name in SEEN]
    facts[0] += (one.seen.unit_types,)
    facts[1] += (other.seen.unit_types,)
    return facts[0] == facts[1] and all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


@pytest.fixture
def runs(monkeypatch):
    """Collect the runs that are created, so that tests can examine their parts."""
    made, original = [], Run.__init__

    def init(self, *arguments):
        made.append(self)
        original(self, *arguments)

    monkeypatch.setattr(Run, "__init__", init)
    yield made
    for run in made:
        run.env.close()


@pytest.mark.parametrize(("protocol", "battles"), [("paper", 8), ("smac_v1", 1)])
def test_both_protocols_train_and_evaluate(standin, tmp_path, runs, protocol, battles):
    standin.ask_for("crash")
    assert train(configuration(protocol), tmp_path, 300) is None
    assert runs[0].env.n_battles == battles
    assert runs[0].test_runner is runs[0].runner  # no separate games for tests
    provenance = json.loads((tmp_path / "provenance.json").read_text())
    assert provenance["segments"][0]["engine_digest"] == envs.engine_digest("starcraft2")
    assert not provenance["deterministic"]
    assert provenance["config"]["engine_version"] == envs.engine_version("starcraft2", "3m")
    assert provenance["config"]["engine_version"].startswith("4.6.2+")
    (told,) = provenance["game_sessions"]
    assert (told["game_version"], told["game_build"], told["difficulty"], told["step_mul"]) == ("4.6.2", 69232, "7", 8)
    assert len(told["game_seeds"]) == battles + 1  # one of them was restarted after the crash
    assert told["lost_episodes"] == 1
    assert "is lost" in (tmp_path / "train.log").read_text()
    result = evaluate(tmp_path, episodes=5, battles=2, replays=tmp_path / "replays")
    assert result["episodes"] == len(result["battle_won"]) == 5
    assert len(list((tmp_path / "replays").glob("battle*/*.SC2Replay"))) == 2


def test_the_batch_is_what_was_seen(standin, tmp_path, runs):
    train(FEW, tmp_path, 60)
    replay, env = runs[0].replay, runs[0].env
    batch = BatchBuilder(env, len(replay.episodes), torch.device("cpu")).build(replay.episodes)
    for row, episode in enumerate(replay.episodes):
        for name in SEEN:
            got = getattr(batch, name)[row].numpy()
            np.testing.assert_array_equal(got[: episode.length + 1], getattr(episode.seen, name))
            assert not got[episode.length + 1 :].any()


def test_a_resumed_run_has_replay_and_learner_as_they_were_and_begins_battles_anew(
    standin, tmp_path, runs, monkeypatch
):
    with monkeypatch.context() as patch:
        stop_in_round(patch, 6)
        assert train(FEW, tmp_path, 2000, checkpoint_seconds=0) == signal.SIGTERM
    before = runs[0]
    stored, _ = stored_replay(tmp_path)
    resumed = Run(FEW, envs.engine_digest("starcraft2"), tmp_path, 2000, [], "cpu", 1, LOG, stored)
    assert resumed.replay.inserted == before.replay.inserted == 12
    assert all(same(*pair) for pair in zip(before.replay.episodes, resumed.replay.episodes, strict=True))
    tensors = [run.learner.state_tensors() for run in (before, resumed)]
    assert all(torch.equal(tensors[0][name], tensors[1][name]) for name in tensors[0])
    assert train(FEW, tmp_path, before.state.t_env + 50) is None
    told = json.loads((tmp_path / "provenance.json").read_text())
    assert told["resumes"] == 1
    assert len(told["game_sessions"]) == 2
    assert "battles begin anew" in told["game_sessions"][1]["after_resume"]
    assert not set(told["game_sessions"][0]["game_seeds"]) & set(told["game_sessions"][1]["game_seeds"])


def test_only_episodes_that_a_checkpoint_needs_are_kept_and_each_is_written_once(standin, tmp_path, runs, monkeypatch):
    written, original = [], episodes.write_bytes
    monkeypatch.setattr(episodes, "write_bytes", lambda path, content: (written.append(path), original(path, content)))
    stop_in_round(monkeypatch, 8)
    train(FEW, tmp_path, 2000, checkpoint_seconds=0)
    assert len(written) == len(set(written)) == 16
    kept = sorted(path.name for path in (tmp_path / "checkpoints" / "episodes").iterdir())
    assert [int(name[1:10]) for name in kept] == list(range(2, 16))  # the 12 of the newest and of the one before


def stored_replay(directory):
    return checkpoint.newest(directory / "checkpoints", configuration(parallel_envs=2), LOG), Replay(12)


def test_a_damaged_episode_is_named(standin, tmp_path, runs, monkeypatch):
    stop_in_round(monkeypatch, 1)
    train(FEW, tmp_path, 2000)
    path = next((tmp_path / "checkpoints" / "episodes").iterdir())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    stored, replay = stored_replay(tmp_path)
    with pytest.raises(UserError, match=path.name):
        stored.restore_replay(replay, runs[0].env)


def test_going_back_to_an_older_checkpoint_forgets_the_episodes_after_it(standin, tmp_path, runs, monkeypatch):
    stop_in_round(monkeypatch, 2)
    train(FEW, tmp_path, 2000, checkpoint_seconds=0)
    newest = checkpoint.paths(tmp_path / "checkpoints")[-1]
    newest.unlink()
    stored, replay = stored_replay(tmp_path)
    stored.restore_replay(replay, runs[0].env)
    assert replay.inserted == 2
    assert len(list((tmp_path / "checkpoints" / "episodes").iterdir())) == 2
    assert all(same(*pair) for pair in zip(runs[0].replay.episodes[:2], replay.episodes, strict=True))


def test_repeated_failure_ends_the_run_with_the_games_log(standin, tmp_path, capsys):
    standin.ask_for("no_launch")
    options = ["--map", "3m", "--algorithm", "qmix", "--seed", "0", "--engine", "starcraft2", "--out", str(tmp_path)]
    options += ["--protocol", "smac_v1"]
    assert cli.main(["train", *options]) == 2
    assert "error: StarCraft II failed 6 times in a row" in capsys.readouterr().err
    log = (tmp_path / "train.log").read_text()
    assert "the end of the game's own log" in log
    assert "the game could not be reached" in log


def test_without_the_package_nothing_begins(tmp_path, capsys):
    options = ["--map", "3m", "--algorithm", "qmix", "--seed", "0", "--engine", "starcraft2", "--out", str(tmp_path)]
    assert cli.main(["train", *options]) == 2
    assert "pip install" in capsys.readouterr().err
    assert not (tmp_path / "provenance.json").exists()


def test_a_battle_of_the_game_is_recorded_and_drawn_like_any_other(standin, tmp_path, capsys, monkeypatch):
    drawn = []
    monkeypatch.setattr("roma.envs.skirmish.recordings.drawing.render", lambda *arguments: drawn.append(arguments))
    config = resolve("MMM2", "roma", 3, "paper", "starcraft2", SETTINGS | {"parallel_envs": 1})
    train(config, tmp_path, 20)
    assert cli.main(["play", "--checkpoint", str(tmp_path), "--out", str(tmp_path / "pictures")]) == 0
    recording = load(tmp_path / "pictures" / "battle.safetensors")
    assert (recording.map_name, recording.engine) == ("MMM2", "starcraft2")
    assert recording.engine_version == envs.engine_version("starcraft2", "MMM2")
    assert recording.unit_types[:10] == ["Marauder"] * 2 + ["Marine"] * 7 + ["Medivac"]
    assert recording.unit_types[10] == "Medivac"  # the game lists the enemies in an order of its own
    assert recording.result in ("won", "lost", "time limit")
    assert (recording.targets[0] == -1).all()
    assert (recording.targets[1:, :9][recording.actions[:, :9] >= 6] >= 10).all()
    assert (recording.targets[1:, 10:] == -1).all()
    assert recording.role_mean.shape == (recording.length + 1, 10, 3)
    assert cli.main(["play", "--recording", str(tmp_path / "pictures" / "battle.safetensors")]) == 0
    assert "drawn without re-simulation" in capsys.readouterr().out
    assert [len(battle.units) for battle, _ in drawn] == [recording.length + 1] * 2


def test_a_rollout_of_the_game_keeps_what_was_seen(standin, tmp_path, monkeypatch):
    monkeypatch.setattr(rollout, "UNTRAINED", 2)
    monkeypatch.setattr(rollout, "UNTRAINED_EPISODES", 1)
    train(resolve("MMM2", "roma", 3, "paper", "starcraft2", SETTINGS | {"parallel_envs": 1}), tmp_path, 20, [])
    assert cli.main(["rollout", str(tmp_path), "--episodes", "1"]) == 0
    recorded = rollout_file.load(tmp_path / "rollout.safetensors")
    (milestone,) = recorded.milestones
    names = [recorded.type_names[index] for index in milestone.types[0]]
    assert (names[9], names[10]) == ("Medivac", "Medivac")
    assert milestone.obs.shape[:2] == milestone.role_mean.shape[:2] == (milestone.lengths[0] + 1, 10)
    assert milestone.obs.any()


def test_the_embedded_engine_has_no_replays_of_its_own_and_tells_nothing(tmp_path):
    train(resolve("3m", "qmix", 3, overrides=SETTINGS), tmp_path, 30)
    assert "game_sessions" not in json.loads((tmp_path / "provenance.json").read_text())
    with pytest.raises(UserError, match="'embedded' has no replay files of its own"):
        evaluate(tmp_path, 2, replays=tmp_path)
