"""The numbers of a run do not depend on stops, kills and damaged checkpoints."""

import json
import os
import pty
import random
import signal
import time
from pathlib import Path

import pytest

from roma.runs import checkpoint
from tests.runs import faults
from tests.runs.training.short_runs import COMA, MAVEN, arguments, describe_as, results, run, stop_in_round


@pytest.mark.parametrize("rounds", [1, 2, 8])
def test_a_stopped_run_goes_on_as_if_nothing_had_happened(undisturbed, tmp_path, monkeypatch, rounds):
    stop_in_round(monkeypatch, rounds)
    assert run(tmp_path) == signal.SIGTERM
    assert not (tmp_path / "metrics.parquet").exists()
    assert run(tmp_path) is None
    assert results(tmp_path) == results(undisturbed)


@pytest.fixture
def usual_signals():
    """Restore the signal handlers of a terminal, because `nohup` and background jobs ignore some signals."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    previous = {number: signal.signal(number, action) for number, action in usual.items()}
    yield
    for number, action in previous.items():
        signal.signal(number, action)


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU])
def test_a_signal_that_comes_twice_does_not_cost_the_checkpoint(tmp_path, monkeypatch, number):
    """Kernel and shell both send SIGHUP for a closed terminal; `timeout` sends SIGTERM to child and group."""
    stop_in_round(monkeypatch, 2, number, number)
    assert run(tmp_path) == number
    assert len(checkpoint.paths(tmp_path / "checkpoints")) == 1


@pytest.mark.usefixtures("usual_signals")
def test_a_second_interruption_by_hand_acts_at_once(tmp_path, monkeypatch):
    stop_in_round(monkeypatch, 2, signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)


def test_a_signal_that_is_ignored_from_the_start_stays_ignored(undisturbed, tmp_path, monkeypatch):
    """As under `nohup`."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop_in_round(monkeypatch, 2, signal.SIGHUP)
        assert run(tmp_path) is None
    finally:
        signal.signal(signal.SIGHUP, previous)
    assert results(tmp_path) == results(undisturbed)


def test_a_run_whose_terminal_is_closed_writes_a_checkpoint(tmp_path):
    """The run gets SIGHUP, and then errors whenever it draws its progress bar."""
    terminal, device = pty.openpty()
    process = faults.start(arguments(tmp_path, 100_000), Path(os.ttyname(device)))
    while not checkpoint.paths(tmp_path / "checkpoints"):
        assert process.is_alive(), os.read(terminal, 10_000)
        time.sleep(0.01)
    os.close(device)
    os.close(terminal)
    faults.join(process)
    assert process.exitcode == 128 + signal.SIGHUP
    assert json.loads((tmp_path / "progress.json").read_text())["state"] == "stopped"
    assert (tmp_path / "train.log").read_text().splitlines()[-1].endswith("the same command goes on from here")


def test_on_request_a_run_goes_on_only_on_the_family_of_processors_that_began_it(undisturbed, tmp_path, monkeypatch):
    def play_on(family, rounds):
        describe_as(monkeypatch, cpu_family=family)
        stop_in_round(monkeypatch, rounds)
        assert run(tmp_path, same_family=True) == signal.SIGTERM
        (newest, *_) = reversed(checkpoint.paths(tmp_path / "checkpoints"))
        return newest.name

    first = play_on("Abacus 9 (old)", 4)
    second = play_on("Slide-rule", 2)
    assert second < first  # started again
    aside = tmp_path / "checkpoints" / "elsewhere"
    assert [path.name for path in (aside / "Abacus-9-old-").iterdir()] == [first]
    assert json.loads((tmp_path / "progress.json").read_text())["cpu_family"] == "Slide-rule"
    third = play_on("Abacus 9 (old)", 1)
    assert third > first  # resumed
    assert [path.name for path in (aside / "Slide-rule").iterdir()] == [second]
    assert run(tmp_path, same_family=True) is None
    assert not aside.exists()
    assert results(tmp_path) == results(undisturbed)
    segments = json.loads((tmp_path / "provenance.json").read_text())["segments"]
    assert {segment["cpu_family"] for segment in segments} == {"Abacus 9 (old)"}


@pytest.mark.parametrize("config", [COMA, MAVEN], ids=["coma", "maven"])
def test_resuming_is_exact_with_further_state_of_the_learner(tmp_path, monkeypatch, config):
    """COMA counts critic steps; MAVEN has latents in its episodes, and a memory for its policy over latents."""
    run(tmp_path / "undisturbed", 800, config)
    stop_in_round(monkeypatch, 2)
    assert run(tmp_path / "stopped", 800, config) == signal.SIGTERM
    assert run(tmp_path / "stopped", 800, config) is None
    assert "resumed" in (tmp_path / "stopped" / "train.log").read_text()
    assert results(tmp_path / "stopped") == results(tmp_path / "undisturbed")


def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path):
    steps = 3000
    run(tmp_path / "undisturbed", steps)
    directory = tmp_path / "killed"
    process = faults.start(arguments(directory, steps))
    while not checkpoint.paths(directory / "checkpoints"):
        assert process.is_alive()
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.1))
    process.kill()
    faults.join(process)
    assert process.exitcode == -signal.SIGKILL
    run(directory, steps)
    assert "resumed" in (directory / "train.log").read_text()
    assert results(directory) == results(tmp_path / "undisturbed")


def test_a_damaged_checkpoint_costs_time_but_changes_nothing(undisturbed, tmp_path, monkeypatch):
    stop_in_round(monkeypatch, 8)
    run(tmp_path, checkpoint_seconds=0)
    newest = checkpoint.paths(tmp_path / "checkpoints")[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    run(tmp_path)
    assert f"{newest.name} is damaged" in (tmp_path / "train.log").read_text()
    assert results(tmp_path) == results(undisturbed)
