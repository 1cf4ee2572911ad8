"""What a person sees of a run."""

import io
import sys

from roma.progress import Bar, run_log


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_a_bar_says_how_fast_how_long_still_and_how_well(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bar = Bar(done=500, horizon=1000)
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
        bar = Bar(done=0, horizon=10)
        bar.advance(5)
        log.info("a test")
        bar.close()
    assert plain.getvalue() == "a test\n"
    assert (tmp_path / "train.log").read_text().endswith(" a test\n")
