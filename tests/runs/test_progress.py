"""Progress of a run: bar, log and progress.json."""

import io
import json
import sys

import pytest

from roma.runs import progress
from roma.runs.progress import Bar, run_log


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_a_bar_says_how_fast_how_long_still_and_how_well(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bar = Bar(done=500, total_steps=1000)
    bar.advance(250)
    bar.show_win_rate(0.375)
    bar.close()
    last = terminal.getvalue().split("\r")[-1]
    for part in ("75%", "750/1.00k", "steps/s", "<", "test win rate 38%"):
        assert part in last


def test_elsewhere_there_are_lines_only(monkeypatch, tmp_path):
    plain = io.StringIO()
    monkeypatch.setattr(sys, "stderr", plain)
    with run_log(tmp_path / "train.log") as log:
        bar = Bar(done=0, total_steps=10)
        bar.advance(5)
        log.info("a test")
        bar.close()
    assert plain.getvalue() == "a test\n"
    assert (tmp_path / "train.log").read_text().endswith(" a test\n")


def test_whoever_watches_reads_how_far_a_run_is(tmp_path, monkeypatch):
    path = tmp_path / "progress.json"

    def said():
        facts = json.loads(path.read_text())
        assert facts["format"] == 1
        return facts["state"], facts["t_env"]

    monkeypatch.setattr(progress, "PULSE_SECONDS", 0)
    with progress.Pulse(path, done=500, total_steps=1000, family="this") as pulse:
        assert said() == ("running", 500)
        pulse.beat(750)
        assert said() == ("running", 750)
        assert json.loads(path.read_text())["steps_per_second"] > 0
    assert said() == ("stopped", 750)
    with pytest.raises(ValueError, match="mistake"), progress.Pulse(path, done=750, total_steps=1000, family="this"):
        raise ValueError("mistake")
    assert said() == ("failed", 750)
    with progress.Pulse(path, done=750, total_steps=1000, family="this") as pulse:
        pulse.beat(1000)
    assert said() == ("finished", 1000)


def test_a_pulse_that_cannot_be_written_does_not_stop_the_run(tmp_path):
    with progress.Pulse(tmp_path / "nowhere" / "progress.json", done=0, total_steps=1, family="this") as pulse:
        pulse.beat(1)
