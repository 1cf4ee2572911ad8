"""`roma play`: recording, drawing, and drawing from a recording file."""

import dataclasses

import numpy as np
import pytest

from roma.cli import main
from roma.envs.skirmish.recordings import drawing
from roma.envs.skirmish.recordings.file import load, save, verify
from roma.recordings.evaluate import play_policy
from roma.recordings.play import RECORDING, record, record_trained
from roma.runs.config import resolve
from roma.runs.training import train
from roma.support.seeding import Stream, episode_seed
from tests.recordings.test_evaluate import SETTINGS


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("finished")
    train(resolve("3m", "roma", 1, overrides=SETTINGS), directory, 300)
    return directory


@pytest.fixture
def frames(monkeypatch):
    """Record the drawn moments instead of drawing them, which takes long and is tested elsewhere."""
    drawn = []
    monkeypatch.setattr(
        "roma.envs.skirmish.recordings.drawing.render",
        lambda recording, directory: drawn.append((recording, directory)),
    )
    return drawn


def test_from_the_command_line_to_the_pictures(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(drawing, "DPI", 30)  # small pictures are drawn faster
    assert main(["play", "--map", "3m", "--policy", "random", "--seed", "3", "--out", str(tmp_path)]) == 0
    recording = load(tmp_path / RECORDING)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["battle.gif", RECORDING, "frames", "still.png"]
    assert len(list((tmp_path / "frames").iterdir())) == recording.length + 1
    assert recording.seed == episode_seed(0, Stream.ROLLOUT, 3)
    assert f"{recording.result} after {recording.length} timesteps" in capsys.readouterr().out
    again = tmp_path / "again"
    assert main(["play", "--recording", str(tmp_path / RECORDING), "--out", str(again)]) == 0
    assert "re-simulated: identical" in capsys.readouterr().out
    assert (again / "battle.gif").read_bytes() == (tmp_path / "battle.gif").read_bytes()


@pytest.mark.parametrize("policy", ["random", "heuristic"])
def test_a_policy_and_a_number_decide_the_battle(policy):
    one, same, other = (record("2s3z", policy, number) for number in (0, 0, 1))
    verify(one)
    np.testing.assert_array_equal(one.units, same.units)
    assert not np.array_equal(one.units[:5], other.units[:5])
    assert one.scripted == (policy == "heuristic")
    assert one.policy == policy


def test_the_scripted_policy_attacks_the_nearest_enemy_from_afar():
    recording = record("2s3z", "heuristic", 0)
    places = recording.units[1, :, :2]
    distances = np.linalg.norm(places[:5, None] - places[None, 5:], axis=-1)
    assert distances.min() > 6  # beyond the range of all attack actions
    assert (recording.targets[1, :5] >= 5).all()
    assert (recording.actions == -1).all()


def test_trained_weights_play_as_they_do_in_an_evaluation(finished):
    path = finished / "policies" / "t300.safetensors"
    (_, episode), _ = play_policy(path, Stream.ROLLOUT, 2, 1)
    for source in (finished, path):
        recording = record_trained(source, 1)
        verify(recording)
        assert recording.seed == episode.seed
        np.testing.assert_array_equal(recording.actions, episode.actions)
        np.testing.assert_array_equal(recording.units, episode.snapshots)
    assert recording.policy == "roma seed 1 at 300 steps"


def test_roles_are_recorded_with_the_battle(finished, tmp_path):
    """Roles are functions of observations: equal for agents that see nothing more, and stored in the file."""
    recording = record_trained(finished, 0)
    moments, agents = recording.length + 1, recording.n_agents
    assert recording.role_mean.shape == recording.role_variance.shape == (moments, agents, 3)
    assert (recording.role_variance >= 0.1 - 1e-6).all()
    dead = recording.units[:, :agents, 2] == 0
    assert dead.any(), "this untrained run loses units"
    assert np.ptp(recording.role_mean[dead], axis=0).max() < 1e-6
    assert np.ptp(recording.role_mean[0], axis=0).max() > 0
    save(tmp_path / RECORDING, recording)
    again = load(tmp_path / RECORDING)
    verify(again)
    np.testing.assert_array_equal(again.role_mean, recording.role_mean)
    assert record("3m", "random", 0).role_mean.shape[2] == 0


def test_pictures_have_a_place_of_their_own(finished, tmp_path, monkeypatch, frames):
    monkeypatch.chdir(tmp_path)
    assert main(["play", "--map", "3m"]) == 0
    assert main(["play", "--checkpoint", str(finished), "--seed", "3"]) == 0
    folders = [str(directory) for _, directory in frames]
    names = ("heuristic/battle0", "roma_seed_1_at_300_steps/battle3")
    assert folders == [f"data/embedded/manual/recordings/3m/{name}" for name in names]
    assert all((tmp_path / folder / RECORDING).exists() for folder in folders)


def test_a_recording_of_another_engine_is_drawn_without_resimulation(tmp_path, capsys, frames):
    recording = record("3m", "random", 0)
    save(tmp_path / RECORDING, dataclasses.replace(recording, engine_version="0"))
    assert main(["play", "--recording", str(tmp_path / RECORDING)]) == 0
    assert "drawn without re-simulation" in capsys.readouterr().out
    assert frames[0][1] == tmp_path


def test_what_cannot_be_played_is_one_line(finished, tmp_path, capsys, frames):
    recording = record("3m", "random", 0)
    save(tmp_path / "false", dataclasses.replace(recording, seed=recording.seed + 1))
    content = bytearray((tmp_path / "false").read_bytes())
    content[-1] ^= 1
    (tmp_path / "damaged").write_bytes(content)
    policy = finished / "policies" / "t300.safetensors"
    cases = [
        (["--recording", tmp_path / "false"], "differs from the recording"),
        (["--recording", tmp_path / "damaged"], "damaged"),
        (["--recording", policy], "not a recording file"),
        (["--checkpoint", tmp_path / "false"], "neither a run folder nor a policy file"),
        (["--checkpoint", tmp_path], "no run directory"),
        (["--checkpoint", policy, "--map", "8m"], "trained on 3m, not on 8m"),
    ]
    for options, message in cases:
        assert main(["play", *map(str, options)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        assert message in error
    assert frames == []
