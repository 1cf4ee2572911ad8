"""Extension of runs: a run that is extended or restarted stays complete until the longer one replaces it."""

import dataclasses
import errno
import json
import math
import os
import shutil
import signal
import time
from pathlib import Path

import pandas as pd
import pytest

from roma.learners.roma.learner import Learner as RomaLearner
from roma.recordings.evaluate import evaluate
from roma.runs import checkpoint
from roma.runs.directory import RunDirectory
from roma.support.errors import UserError
from tests.runs import faults
from tests.runs.training.short_runs import (
    CONFIG,
    QMIX,
    TOTAL_STEPS,
    arguments,
    describe_as,
    everything,
    results,
    run,
    stop_in_round,
)


def test_an_extended_run_equals_one_of_that_length(undisturbed, tmp_path):
    """Rows, milestones and evaluations are byte-equal; the end of the shorter run is one more milestone."""
    half, files = TOTAL_STEPS // 2 - 100, RunDirectory(tmp_path)
    run(tmp_path, half)
    rows = files.read_metrics()
    evaluate(tmp_path, episodes=2)
    evaluate(tmp_path, episodes=2, step=0)
    shorter = everything(tmp_path)
    run(tmp_path, TOTAL_STEPS)
    longer, extended = results(undisturbed), results(tmp_path)
    assert {name: content for name, content in extended.items() if name in longer} == longer
    assert set(extended) - set(longer) == {files.policy_file(half).name}
    assert files.policy_file(half).read_bytes() == shorter[files.policy_file(half)]
    assert files.provenance["milestones"] == [0, half, 800, TOTAL_STEPS]
    pd.testing.assert_frame_equal(files.read_metrics()[: len(rows)], rows, check_exact=True)
    for step in (0, half):
        assert files.evaluation_file(step).read_bytes() == shorter[files.evaluation_file(step)]
    other = RunDirectory(shutil.copytree(undisturbed, tmp_path / "undisturbed"))
    evaluate(tmp_path, episodes=2, step=800)
    for step in (0, 800):
        evaluate(other.path, episodes=2, step=step)
        assert files.evaluation_file(step).read_bytes() == other.evaluation_file(step).read_bytes()


def test_the_shorter_run_stays_complete_until_the_longer_one_takes_its_place(undisturbed, tmp_path, monkeypatch):
    """A signal, a failure and a full disk during the extension do not change its files."""
    run(tmp_path, TOTAL_STEPS // 2)
    shorter = everything(tmp_path)

    def check():
        assert RunDirectory(tmp_path).completed_steps(CONFIG) == TOTAL_STEPS // 2
        assert {path: content for path, content in everything(tmp_path).items() if path in shorter} == shorter

    with monkeypatch.context() as stopped:
        stop_in_round(stopped, 2)
        assert run(tmp_path) == signal.SIGTERM
    check()
    with monkeypatch.context() as failing:
        failing.setattr(RomaLearner, "update", lambda *arguments: {"loss": math.nan})
        with pytest.raises(UserError, match="loss is nan"):
            run(tmp_path)
    check()
    with monkeypatch.context() as full:
        write_bytes = Path.write_bytes

        def until_the_end(path, content):
            if content.startswith(b"PAR1"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write_bytes(path, content)

        full.setattr(Path, "write_bytes", until_the_end)
        with pytest.raises(UserError, match=r"timing\.parquet could not be written: No space left on device"):
            run(tmp_path)
    check()
    assert run(tmp_path, TOTAL_STEPS // 2) is None  # and does not start any training
    check()
    assert run(tmp_path) is None
    longer = results(undisturbed)
    assert {name: content for name, content in results(tmp_path).items() if name in longer} == longer


def test_a_run_killed_in_mid_extension_is_complete_as_it_was(tmp_path):
    run(tmp_path, TOTAL_STEPS)
    shorter = everything(tmp_path)
    before = checkpoint.paths(tmp_path / "checkpoints")
    process = faults.start(arguments(tmp_path, 100_000))
    while len(set(checkpoint.paths(tmp_path / "checkpoints")) - set(before)) < 2:
        assert process.is_alive()
        time.sleep(0.01)
    process.kill()
    faults.join(process)
    assert process.exitcode == -signal.SIGKILL
    assert RunDirectory(tmp_path).completed_steps(CONFIG) == TOTAL_STEPS
    assert {path: content for path, content in everything(tmp_path).items() if path in shorter} == shorter


def test_a_longer_complete_run_is_taken_for_a_shorter_one(undisturbed, tmp_path):
    directory = shutil.copytree(undisturbed, tmp_path / "run")
    assert run(directory, TOTAL_STEPS // 2) is None
    assert results(directory) == results(undisturbed)
    assert "nothing to do" in (directory / "train.log").read_text()


def test_an_unfinished_run_is_not_shortened(tmp_path, monkeypatch):
    stop_in_round(monkeypatch, 8)
    assert run(tmp_path) == signal.SIGTERM
    before = checkpoint.paths(tmp_path / "checkpoints")
    with pytest.raises(UserError, match="already has"):
        run(tmp_path, 100)
    assert checkpoint.paths(tmp_path / "checkpoints") == before


def test_a_complete_run_is_left_alone_and_lost_outputs_are_written_again(undisturbed, tmp_path):
    directory = shutil.copytree(undisturbed, tmp_path / "run")
    times = {path: path.stat().st_mtime_ns for path in directory.rglob("*") if path.suffix != ".log"}
    run(directory)
    assert "nothing to do" in (directory / "train.log").read_text()
    assert all(path.stat().st_mtime_ns == moment for path, moment in times.items() if path.name != "lock")
    for name in ("metrics.parquet", "policies/t0.safetensors"):
        (directory / name).unlink()
    run(directory)
    assert results(directory) == results(undisturbed)


def test_a_complete_run_without_checkpoints_is_not_thrown_away(undisturbed, tmp_path):
    directory = shutil.copytree(undisturbed, tmp_path / "run", ignore=shutil.ignore_patterns("t0000*"))
    run(directory)
    with pytest.raises(UserError, match="no checkpoint to go on from"):
        run(directory, TOTAL_STEPS * 2)
    assert results(directory) == results(undisturbed)


def test_a_run_of_another_configuration_is_replaced_only_on_request(undisturbed, tmp_path):
    directory = shutil.copytree(undisturbed, tmp_path / "run")
    with pytest.raises(UserError, match=r"holds a run with algorithm = roma \(not qmix\); choose another folder"):
        run(directory, config=QMIX)
    assert results(directory) == results(undisturbed)
    run(directory, config=QMIX, replace=True)
    with pytest.raises(UserError, match=r"holds a run with algorithm = qmix \(not roma\); choose another folder"):
        run(directory)  # settings that QMIX lacks are not listed
    run(tmp_path / "plain", config=QMIX)
    assert "STARTING AFRESH" in (directory / "train.log").read_text()
    assert results(directory) == results(tmp_path / "plain")


@pytest.mark.parametrize(("version", "other"), [("engine_version", "2"), ("algorithm_version", 2)])
def test_a_run_of_another_version_is_replaced_only_on_request(undisturbed, tmp_path, version, other):
    directory = shutil.copytree(undisturbed, tmp_path / "run")
    changed = dataclasses.replace(CONFIG, **{version: other})
    with pytest.raises(UserError, match=rf"holds a run with {version} = 1 \(not 2\)"):
        run(directory, config=changed)
    assert results(directory) == results(undisturbed)
    run(directory, config=changed, replace=True)
    assert "STARTING AFRESH" in (directory / "train.log").read_text()
    assert json.loads((directory / "provenance.json").read_text())["config"][version] == other


def test_a_complete_run_stays_whole_while_a_longer_one_begins_anew_elsewhere(undisturbed, tmp_path, monkeypatch):
    describe_as(monkeypatch, cpu_family="Abacus")
    run(tmp_path, TOTAL_STEPS // 2)
    shorter = everything(tmp_path)
    describe_as(monkeypatch, cpu_family="Slide-rule")
    with monkeypatch.context() as stopped:
        stop_in_round(stopped, 2)
        assert run(tmp_path, same_family=True) == signal.SIGTERM
    assert RunDirectory(tmp_path).completed_steps(CONFIG) == TOTAL_STEPS // 2
    assert {path: content for path, content in everything(tmp_path).items() if path in shorter} == shorter
    assert run(tmp_path, same_family=True) is None
    segments = RunDirectory(tmp_path).provenance["segments"]
    assert {(segment["since_step"], segment["cpu_family"]) for segment in segments} == {(0, "Slide-rule")}
    longer = results(undisturbed)
    assert {name: content for name, content in results(tmp_path).items() if name in longer} == longer
