"""`roma rollout`: the recorded content of a run with roles, and the detection of damaged files."""

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.measures import measurements, rollouts
from roma import envs
from roma.cli import main
from roma.envs.vector import observe
from roma.learners.roma.config import HEADLINE_REDUCTION
from roma.learners.roma.losses import specialisation_loss
from roma.recordings.evaluate import load_policy, play_policy
from roma.recordings.rollout_file import KIND, encode, load, save
from roma.runs.config import resolve
from roma.runs.directory import MEASUREMENTS, RunDirectory
from roma.runs.experience.replay import BatchBuilder
from roma.runs.training import train
from roma.support.errors import UserError
from roma.support.seeding import Stream
from tests.recordings.test_evaluate import SETTINGS


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("results") / "runs" / "2s3z" / "roma" / "seed1"
    directory.mkdir(parents=True)
    train(resolve("2s3z", "roma", 1, overrides=SETTINGS), directory, 300, [0, 150])
    assert main(["rollout", str(directory), "--episodes", "3", "--earlier-episodes", "2"]) == 0
    return directory


@pytest.fixture(scope="module")
def recorded(finished):
    return load(RunDirectory(finished).rollout_file)


def test_every_policy_plays_the_first_battles_of_its_stream(finished, recorded):
    assert (
        RunDirectory(finished).rollout_file == finished.parents[3] / "rollouts" / "2s3z" / "roma" / "seed1.safetensors"
    )
    assert [(milestone.step, len(milestone.seeds)) for milestone in recorded.milestones] == [(0, 2), (150, 2), (300, 3)]
    for milestone in recorded.milestones:
        path = finished / "policies" / f"t{milestone.step}.safetensors"
        played, _ = play_policy(path, Stream.ROLLOUT, len(milestone.seeds))
        assert [episode.seed for episode in played] == milestone.seeds.tolist()
        assert [episode.length for episode in played] == milestone.lengths.tolist()
        for number, episode in enumerate(played):
            mine = milestone.episode == number
            np.testing.assert_array_equal(milestone.units[mine], episode.snapshots.astype(np.float32))
            np.testing.assert_array_equal(milestone.actions[mine & milestone.decides], episode.actions)
            assert milestone.t[mine].tolist() == list(range(1, episode.length + 2))
        assert (milestone.actions[~milestone.decides] == -1).all()
    names = np.array(recorded.type_names)[milestone.types[0]]
    assert names[:5].tolist() == ["Stalker", "Stalker", "Zealot", "Zealot", "Zealot"]


def test_observations_come_again_from_what_is_recorded(finished, recorded):
    milestone = recorded.milestones[-1]
    played, _ = play_policy(finished / "policies" / "t300.safetensors", Stream.ROLLOUT, 3)
    env = envs.make("embedded", "2s3z", 1)
    again = observe(env, milestone.units.astype(float), milestone.last_actions, milestone.t - 1)
    seen = BatchBuilder(env, 3, torch.device("cpu")).build(played).obs.numpy()
    for episode in range(3):
        mine = again[milestone.episode == episode]
        np.testing.assert_allclose(mine, seen[episode, : len(mine)], atol=1e-6)


def test_some_episodes_are_a_milestone_too(recorded):
    milestone = recorded.milestones[-1]
    two = milestone.part(0, 2)
    assert two.lengths.tolist() == milestone.lengths[:2].tolist()
    assert len(two.units) == len(two.t) == sum(two.lengths) + 2
    assert len(two.rows) == len(two.trajectory) == (milestone.episode[milestone.rows[:, 0]] < 2).sum()
    last = milestone.part(2, 3)
    np.testing.assert_array_equal(np.concatenate([two.units, last.units]), milestone.units)
    np.testing.assert_array_equal(last.rows + np.array([len(two.units), 0]), milestone.rows[len(two.rows) :])
    np.testing.assert_array_equal(np.concatenate([two.trajectory, last.trajectory]), milestone.trajectory)


def test_recorded_roles_are_those_of_the_losses(finished, recorded):
    """The role losses of one episode, computed from its recording, with the mean instead of the sampled role."""
    milestone = recorded.milestones[-1]
    path = finished / "policies" / "t300.safetensors"
    episode = play_policy(path, Stream.ROLLOUT, 3)[0][0]
    learner, env, _ = load_policy(path, 1)
    batch = BatchBuilder(env, 1, torch.device("cpu")).build([episode])
    noise = learner.draw_noise(batch, 0)
    noise = type(noise)(*(torch.zeros_like(part) for part in noise))
    _, statistics = learner.loss(batch, noise)
    moments = slice(0, episode.length)
    divergence = milestone.divergence[moments].mean()
    assert divergence == pytest.approx(float(statistics["loss_identifiability"]), rel=1e-4)
    of_pairs = (
        torch.from_numpy(each[moments].astype(np.float32)) for each in (milestone.information, milestone.dissimilarity)
    )
    loss = specialisation_loss(*of_pairs, torch.ones(episode.length), reduction=HEADLINE_REDUCTION).loss
    # 16-bit numbers of the file: thousandths of each pair
    assert float(loss) == pytest.approx(float(statistics["loss_specialisation"]), rel=5e-3)


def test_untrained_networks_are_recorded_beside_each_with_weights_of_its_own(finished, recorded):
    assert [milestone.step for milestone in recorded.untrained] == [0] * 20
    assert {len(milestone.seeds) for milestone in recorded.untrained} == {4}
    means = {milestone.role_mean[0].tobytes() for milestone in recorded.untrained}
    assert len(means) == 20
    own = recorded.milestones[0].role_mean[0].tobytes()  # of the run's seed, 1; its networks are 20 to 39
    assert own not in means


def test_the_same_battles_are_fought_with_shuffled_roles_and_decisions_taken_again(recorded):
    milestone = recorded.milestones[-1]
    assert milestone.shuffled_returns.shape == milestone.returns.shape == milestone.shuffled_won.shape == (3,)
    assert np.isfinite(milestone.shuffled_returns).all()
    assert milestone.decides[milestone.tried].all()
    alive = milestone.alive[milestone.tried, :5]
    assert ((milestone.resampled >= 0).all(-1) == alive).all()
    assert ((milestone.lender >= 0).all(-1) == alive & (alive.sum(1, keepdims=True) > 1)).all()
    two = milestone.part(0, 2)
    assert len(two.returns) == 2
    np.testing.assert_array_equal(two.tried, milestone.tried[milestone.tried < len(two.units)])
    later = milestone.part(2, 3)
    assert later.decides[later.tried].all()
    assert len(later.exchanged) == len(later.tried) == len(milestone.tried) - len(two.tried)


def test_sampled_rows_are_decisions_of_the_living_with_a_past(finished, recorded):
    for milestone in recorded.milestones:
        moment, agent = milestone.rows.T
        assert (milestone.t[moment] >= 2).all()
        assert milestone.decides[moment].all()
        assert milestone.alive[moment, agent].all()
        assert len(np.unique(milestone.rows, axis=0)) == len(milestone.rows) > 100
        assert milestone.trajectory.shape == (len(moment), SETTINGS["hidden_dim"])
        assert np.ptp(milestone.trajectory.astype(float), axis=0).min() > 0


def test_same_run_same_bytes(finished, recorded, tmp_path):
    assert (
        main(["rollout", str(finished), "--episodes", "3", "--earlier-episodes", "2", "--out", str(tmp_path / "r")])
        == 0
    )
    assert (tmp_path / "r").read_bytes() == RunDirectory(finished).rollout_file.read_bytes() == encode(recorded)


@pytest.fixture
def few_untrained(monkeypatch):
    """Record fewer untrained networks: they take most of the time."""
    monkeypatch.setattr("roma.recordings.rollout.UNTRAINED", 2)


@pytest.mark.usefixtures("few_untrained")
@pytest.mark.parametrize("algorithm", ["roma_release", "roma_no_dissimilarity"])
def test_other_readings_of_roles_are_recorded_too(algorithm, tmp_path):
    train(resolve("3m", algorithm, 0, overrides=SETTINGS), tmp_path, 100, [])
    assert main(["rollout", str(tmp_path), "--episodes", "2"]) == 0
    (milestone,) = load(tmp_path / "rollout.safetensors").milestones
    moments = len(milestone.units)
    pairs = (moments, 0, 0) if algorithm == "roma_no_dissimilarity" else (moments, 3, 3)
    assert milestone.dissimilarity.shape == pairs
    assert milestone.information.shape == (moments, 3, 3)
    assert np.isfinite(milestone.divergence).all()


def test_damage_is_noticed_and_the_file_named(recorded, tmp_path):
    path = tmp_path / "r.safetensors"
    content = encode(recorded)
    for broken in (content[:-1], content[:5000] + bytes([content[5000] ^ 1]) + content[5001:], b"", b"no file of ours"):
        path.write_bytes(broken)
        with pytest.raises(UserError, match=r"r\.safetensors.*damaged"):
            load(path)
    path.unlink()
    with pytest.raises(UserError, match="cannot read the rollout"):
        load(path)


def test_a_later_version_says_so(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr("roma.recordings.rollout_file.KIND", KIND._replace(format=KIND.format + 1))
    save(tmp_path / "r", recorded)
    monkeypatch.undo()
    with pytest.raises(UserError, match=f"format {KIND.format + 1}, this version of roma reads {KIND.format}"):
        load(tmp_path / "r")


def test_what_cannot_be_recorded_is_one_line(tmp_path, capsys):
    train(resolve("3m", "qmix", 0, overrides=SETTINGS), tmp_path, 100, [])
    capsys.readouterr()
    for folder, message in ((tmp_path, "agents of qmix have no roles"), (tmp_path.parent, "is no run directory")):
        assert main(["rollout", str(folder)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        assert message in error


def test_the_roles_of_a_finished_run_are_measured(finished, recorded, capsys, monkeypatch):
    assert main(["measure", str(finished), "--episodes", "3", "--earlier-episodes", "2"]) == 0
    said = capsys.readouterr().out
    run = RunDirectory(finished)
    folder = finished.parents[3] / "measurements" / "2s3z" / "roma" / "seed1"
    assert f"written to {folder}" in said
    assert {file.stem for file in folder.iterdir()} == set(MEASUREMENTS)
    assert measurements.lacking(run, MEASUREMENTS) == ""
    table = pd.read_parquet(folder / "roles.parquet")
    assert table.attrs == {"format": 2, "total_steps": 300, "cpu_family": run.provenance["segments"][-1]["cpu_family"]}
    pd.testing.assert_frame_equal(table, rollouts.role_table(recorded))
    tables = {file: file.read_bytes() for file in folder.iterdir()}
    assert main(["measure", str(finished), "--episodes", "2"]) == 2
    assert capsys.readouterr().err == (
        f"error: the run is measured already, in {folder}: overwrite the tables with --replace\n"
    )
    assert {file: file.read_bytes() for file in folder.iterdir()} == tables
    monkeypatch.setattr("roma.recordings.rollout.record", lambda *arguments: recorded)  # which was played before
    assert main(["measure", str(finished), "--replace"]) == 0
    assert {file: file.read_bytes() for file in folder.iterdir()} == tables


@pytest.mark.usefixtures("few_untrained")
def test_a_run_elsewhere_is_measured_in_its_own_folder(tmp_path):
    directory = tmp_path / "my_run"
    directory.mkdir()
    train(resolve("3m", "roma_no_dissimilarity", 0, overrides=SETTINGS), directory, 100, [0, 50])
    (directory / "policies" / "t50.safetensors").unlink()  # as in a shipped run
    assert main(["measure", str(directory), "--episodes", "2", "--earlier-episodes", "2"]) == 0
    table = pd.read_parquet(directory / "measurements" / "roles.parquet")
    assert table["step"].unique().tolist() == [0, 100]
