"""Errors that end a run, and the exclusion of other processes."""

import errno
import math
import os
import shutil
import time

import pytest

from roma.learners.qmix.learner import Learner
from roma.runs import checkpoint
from roma.runs.config import resolve
from roma.runs.directory import RunDirectory
from roma.support.errors import UserError
from roma.support.seeding import Stream, episode_seed
from tests.runs import faults
from tests.runs.training.short_runs import COMA_SETTINGS, QMIX, SETTINGS, TOTAL_STEPS, arguments, results, run


def test_a_run_has_one_writer(undisturbed, tmp_path):
    before, output = results(undisturbed), tmp_path / "output"
    with checkpoint.only_writer(undisturbed / "checkpoints"):
        second = faults.start(arguments(undisturbed, TOTAL_STEPS * 2), output)
        faults.join(second)
    assert second.exitcode == 2
    assert output.read_text() == f"error: another process is writing the run in {undisturbed}\n"
    assert results(undisturbed) == before


def test_a_full_disk_elsewhere_is_not_blamed_on_the_run(tmp_path, monkeypatch):
    def update(self, *arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/another/place")

    monkeypatch.setattr(Learner, "update", update)
    with pytest.raises(OSError, match="No space left on device: '/another/place'"):
        run(tmp_path, config=QMIX)


def test_where_there_are_no_locks_the_run_goes_on_and_says_so(tmp_path, refuse_locks):
    refuse_locks(tmp_path)
    assert run(tmp_path, 200, QMIX) is None
    assert "file system without locks" in (tmp_path / "train.log").read_text()
    second = RunDirectory(tmp_path).checkpoint_folder
    with checkpoint.only_writer(second), pytest.raises(UserError, match="another process is writing"):
        run(tmp_path, 400, QMIX)


def test_a_run_waits_for_another_writer_on_request(undisturbed, tmp_path):
    directory, output = shutil.copytree(undisturbed, tmp_path / "run"), tmp_path / "output"
    with checkpoint.only_writer(RunDirectory(directory).checkpoint_folder):
        second = faults.start([*arguments(directory, TOTAL_STEPS), "--wait"], output)
        while not (output.exists() and output.read_text().endswith("\n")):
            assert second.is_alive()
            time.sleep(0.01)
        assert output.read_text() == f"waiting for another process that is writing the run in {directory}\n"
    faults.join(second)
    assert output.read_text().endswith(f"nothing to do: {directory} is complete with {TOTAL_STEPS} environment steps\n")
    assert second.exitcode == 0


@pytest.mark.parametrize(
    ("name", "rate", "statistic"),
    [
        ("qmix", "learning_rate", "loss"),
        ("roma", "learning_rate", "loss"),
        ("qtran", "learning_rate", "loss"),
        ("coma", "critic_learning_rate", "loss_critic"),
        ("maven", "latent_learning_rate", "latent_policy_entropy"),
    ],
)
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, name, rate, statistic):
    settings = COMA_SETTINGS if name == "coma" else SETTINGS
    config = resolve("3m", name, 3, overrides={**settings, rate: 1e30})
    message = rf"^{statistic} is (nan|inf) in update \d+ at \d+ environment steps; last checkpoint: none; seeds of "
    with pytest.raises(UserError, match=message):
        run(tmp_path, config=config)
    assert not checkpoint.paths(tmp_path / "checkpoints")


def test_a_loss_that_is_not_finite_names_the_last_checkpoint_and_the_episodes(tmp_path, monkeypatch):
    """The third update fails; earlier results stay, and the same command resumes from the checkpoint."""
    updates, original = [], Learner.update

    def update(self, batch, *arguments):
        updates.append(batch)
        return original(self, batch, *arguments) | ({"loss": math.nan} if len(updates) == 3 else {})

    monkeypatch.setattr(Learner, "update", update)
    with pytest.raises(UserError) as error:
        run(tmp_path, config=QMIX, checkpoint_seconds=0)
    kept = checkpoint.paths(tmp_path / "checkpoints")
    assert "loss is nan in update 2 at " in str(error.value)
    assert f"last checkpoint: {kept[-1]};" in str(error.value)
    seeds = str(error.value).partition("seeds of the batch's episodes: ")[2].split(", ")
    assert len(set(map(int, seeds))) == SETTINGS["batch_size"]
    assert run(tmp_path, config=QMIX) is None
    assert set(map(int, seeds)) <= {episode_seed(3, Stream.TRAIN, index) for index in range(16)}


@pytest.mark.parametrize("device", ["abacus", "meta"])
def test_a_device_that_does_not_compute_here_is_an_error(tmp_path, device):
    with pytest.raises(UserError, match=f"'{device}' cannot be used"):
        run(tmp_path, device=device)
