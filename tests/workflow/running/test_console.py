"""The screen of a workflow at work, fed with Snakemake's messages."""

import io
import logging
import re
import time
import weakref
from contextlib import suppress
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from tests.synthetic import write_run
from tests.workflow.conftest import TINY
from tests.workflow.test_watch import job_log, progress
from workflow.grid import expand
from workflow.running import console
from workflow.running.console import Screen

RUNS = list(expand(TINY, "tiny").runs.values())
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def messages():
    """Makes a screen and returns what sends it Snakemake's messages."""

    def start(results, stream):
        log = logging.Logger("snakemake")
        screen = Screen(RUNS, results, stream)
        log.addHandler(screen)
        start.screens.append(screen)

        def send(event, text=None, level=logging.INFO, **facts):
            log.log(level, text, extra={"event": event, **facts} if event else facts)

        return send

    start.screens = []
    yield start
    for screen in start.screens:
        screen.close()


def training(send, run, jobid):
    map_name, arm, seed = run.key
    words = f"Training {arm} on {map_name}, seed {seed}"
    names = {"map": map_name, "arm": arm, "seed": str(seed)}
    send(LogEvent.JOB_INFO, jobid=jobid, rule_name="train", rule_msg=words, wildcards=names, log=[f"{jobid}.log"])


def drawing(send, jobid):
    send(LogEvent.JOB_INFO, jobid=jobid, rule_name="fig04", rule_msg="Drawing fig04", wildcards={}, log=[])


def test_without_a_terminal_each_job_has_a_line_when_it_starts_and_when_it_ends(tmp_path, messages):
    stream = io.StringIO()
    send = messages(tmp_path, stream)
    send(None, "Building DAG of jobs...")
    send(None, "Select jobs to execute...")
    send(LogEvent.RUN_INFO, "a table", stats={"train": 2, "fig04": 1, "figures": 1, "total": 4})
    training(send, RUNS[0], 1)
    training(send, RUNS[1], 2)
    progress(tmp_path, RUNS[1], "running")
    (tmp_path / "runs" / RUNS[0].directory).mkdir(parents=True)
    (tmp_path / "runs" / RUNS[0].directory / "train.log").write_text("t_env 9: test win rate 0.870, return 2\n")
    write_run(RUNS[0], tmp_path / "runs" / RUNS[0].directory, 5, 4)
    send(LogEvent.JOB_FINISHED, "Finished jobid: 1", job_id=1)
    send(LogEvent.PROGRESS, done=1, total=4)
    drawing(send, 3)
    send(LogEvent.JOB_FINISHED, "Finished jobid: 3", job_id=3)
    send(LogEvent.JOB_INFO, jobid=0, rule_name="figures", rule_msg=None, wildcards={}, log=[])
    send(LogEvent.JOB_FINISHED, "Finished jobid: 0", job_id=0)
    text = stream.getvalue()
    lines = [line[len("2026-01-01 00:00:00 ") :] for line in text.splitlines()]
    assert lines[:4] == [
        "Building DAG of jobs...",
        "4 jobs: 2 train, 1 fig04, 1 figures",
        "started: Training roma on 3m, seed 0",
        "started: Training roma on 3m, seed 1",
    ]
    # Of 12 runs of 100 000 steps one is done, one is half way, at 250 steps a second: 1 050 000 are left.
    assert lines[4].startswith("finished: Training roma on 3m, seed 0, after 0:00:0")
    assert lines[4].endswith(", win rate 87%; 1 of 12 runs, 1 of 4 jobs, 12.5% of all steps, 1:10:00 left")
    assert lines[5] == "started: Drawing fig04"
    assert lines[6].startswith("finished: Drawing fig04, after 0:00:0")
    assert len(lines) == 7
    assert not CONTROL.search(text)


def test_a_failed_job_is_named_with_its_log_and_what_it_said_last(tmp_path, messages, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stream = io.StringIO()
    send = messages(tmp_path, stream)
    send(LogEvent.RUN_INFO, "a table", stats={"train": 1, "total": 1})
    training(send, RUNS[0], 1)
    (tmp_path / "1.log").write_text("line\n" * 99 + "error: loss is nan\n")
    command = "Command 'set -e; roma train > 1.log 2>&1' returned non-zero exit status 2."
    send(None, f'RuleException:\nCalledProcessError in file "train.smk", line 40:\n{command}', logging.ERROR)
    failure = {"rule_name": "train", "rule_msg": None, "jobid": 1, "log": ["1.log"], "aux": {}}
    send(LogEvent.JOB_ERROR, "Error in rule train", logging.ERROR, input=["a"] * 500, **failure)
    send(None, "Trying to restart job 1.")
    training(send, RUNS[0], 1)
    send(LogEvent.JOB_ERROR, "Error in rule train", logging.ERROR, **failure | {"aux": {"external_jobid": 77}})
    send(None, "WorkflowError:\nMissing files", logging.ERROR)
    text = stream.getvalue()
    assert "FAILED: Training roma on 3m, seed 0 (exit status 2): see 1.log\n    | line\n" in text
    assert text.count("    | error: loss is nan\n") == 2
    assert "started: Training roma on 3m, seed 0, attempt 2\n" in text
    assert "FAILED: Training roma on 3m, seed 0 (external_jobid 77): see 1.log" in text
    assert text.endswith("WorkflowError:\nMissing files\n")
    assert len(text.splitlines()) < 2 * (console.FAILED_LINES + 3) + 3


def shown(stream, *parts):
    """Wait until a terminal was shown all these parts at once."""
    while not all(part in stream.getvalue() for part in parts):
        time.sleep(0.01)
    return stream.getvalue()


def test_a_terminal_has_a_bar_and_the_lines_of_roma_watch(tmp_path, messages, monkeypatch):
    monkeypatch.setattr(console, "REFRESH_SECONDS", 0.01)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    send = messages(tmp_path, stream)
    send(LogEvent.RUN_INFO, "a table", stats={"train": 12, "fig04": 1, "total": 13})
    training(send, RUNS[0], 1)
    shown(stream, "0 of 12 runs, 0 of 13 jobs, 0.0% of all steps", "Training roma on 3m, seed 0, for 0:00:0")
    job_log(tmp_path, RUNS[0], "")
    progress(tmp_path, RUNS[0], "running")
    (tmp_path / "runs" / RUNS[0].directory / "train.log").write_text("t_env 9: test win rate 0.120, return 2\n")
    drawing(send, 2)
    parts = ("3m/roma/seed0  50,000 of 100,000 win  12%    250 steps/s  0:03:20 left", "Drawing fig04, for 0:00:0")
    shown(stream, *parts, "4.2% of all steps, 1:16:40 left", "━")
    write_run(RUNS[0], tmp_path / "runs" / RUNS[0].directory, 5, 4)
    send(LogEvent.JOB_FINISHED, "Finished jobid: 1", job_id=1)
    send(LogEvent.PROGRESS, done=1, total=13)
    shown(
        stream, "finished: Training roma on 3m, seed 0, after 0:00:0", "1 of 12 runs, 1 of 13 jobs, 8.3% of all steps"
    )
    failure = {"rule_name": "fig04", "rule_msg": None, "jobid": 2, "log": [], "aux": {}}
    send(LogEvent.JOB_ERROR, "Error in rule fig04", logging.ERROR, **failure)
    shown(stream, "FAILED: Drawing fig04", "8.3% of all steps, 1 failed")
    logging.shutdown([weakref.ref(messages.screens[0])])  # as when Python ends
    messages.screens[0].close()
    assert stream.getvalue().endswith("1 of 12 runs, 1 of 13 jobs, 8.3% of all steps\n")


def test_where_nothing_is_trained_the_bar_counts_jobs(tmp_path, messages, monkeypatch):
    monkeypatch.setattr(console, "REFRESH_SECONDS", 0.01)
    stream = Terminal()
    send = messages(tmp_path, stream)
    send(LogEvent.RUN_INFO, "a table", stats={"fig04": 2, "total": 2})
    drawing(send, 1)
    assert "runs" not in shown(stream, "0 of 2 jobs", "Drawing fig04")


def test_a_terminal_that_is_gone_does_not_stop_the_work(tmp_path, messages, capsys):
    class Gone(Terminal):
        def write(self, text):
            raise OSError("Input/output error")

    send = messages(tmp_path, Gone())
    send(LogEvent.RUN_INFO, "a table", stats={"fig04": 2, "total": 2})
    drawing(send, 1)
    send(LogEvent.JOB_FINISHED, "Finished jobid: 1", job_id=1)
    assert capsys.readouterr().err == ""


def test_a_log_file_without_room_puts_nothing_on_the_screen(tmp_path, monkeypatch, capsys):
    log, screen = logging.Logger("snakemake"), logging.StreamHandler(io.StringIO())
    screen.name = console.REPLACED
    log.addHandler(screen)
    monkeypatch.setattr(console, "snakemake_log", log)
    monkeypatch.setattr(logging, "raiseExceptions", True)
    names = ("dryrun", "verbose", "printshellcmds", "debug_dag", "nocolor")
    console.take_the_screen(SimpleNamespace(output_settings=SimpleNamespace(**dict.fromkeys(names))), RUNS, tmp_path)
    with suppress(OSError), open("/dev/full", "w", encoding="utf-8") as full:
        log.addHandler(logging.StreamHandler(full))
        log.warning("a line of the log file")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("asked", ["", "dryrun", "verbose", "printshellcmds", "debug_dag"])
def test_snakemakes_own_messages_stay_where_details_are_asked_for(tmp_path, monkeypatch, asked):
    log, handler = logging.Logger("snakemake"), logging.StreamHandler(io.StringIO())
    handler.name = console.REPLACED
    log.addHandler(handler)
    log.addHandler(logging.NullHandler())  # Snakemake's log file
    monkeypatch.setattr(console, "snakemake_log", log)
    options = ("dryrun", "verbose", "printshellcmds", "debug_dag", "nocolor")
    settings = SimpleNamespace(**{name: name == asked for name in options})
    console.take_the_screen(SimpleNamespace(output_settings=settings), RUNS, tmp_path)
    assert (handler in log.handlers) == bool(asked)
    assert any(isinstance(each, Screen) for each in log.handlers) == (not asked)
    assert len(log.handlers) == 2
