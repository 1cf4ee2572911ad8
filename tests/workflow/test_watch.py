"""Progress of a grid, from its files alone."""

import dataclasses
import json
import os
import subprocess
import sys
import time

import pytest

from roma.cli import main
from roma.support.files import write_json
from tests.synthetic import write_run
from tests.workflow.conftest import TINY
from workflow.grid import expand
from workflow.watch import LAST_LINES, SILENT_SECONDS, overview, status

RUNS = list(expand(TINY, "tiny").runs.values())


def progress(results, run, state, t_env=50_000, age=0.0):
    directory = results / "runs" / run.directory
    directory.mkdir(parents=True, exist_ok=True)
    facts = {"state": state, "t_env": t_env, "total_steps": run.total_steps, "steps_per_second": 250.0}
    write_json(directory / "progress.json", facts | {"time": time.time() - age})


def job_log(results, run, text, age=0.0):
    log = results / "logs" / "train" / f"{run.directory}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text)
    os.utime(log, (time.time() - age,) * 2)


@pytest.mark.parametrize(
    ("state", "age", "expected"),
    [
        ("running", 0, "running"),
        ("running", 2 * SILENT_SECONDS, "failed"),
        ("failed", 0, "failed"),
        ("failed", 2 * SILENT_SECONDS, "failed"),
        ("stopped", 0, "waiting"),
        ("finished", 0, "running"),  # the state while a run writes its outputs
    ],
)
def test_what_a_run_said_last(tmp_path, state, age, expected):
    progress(tmp_path, RUNS[0], state, age=age)
    assert status(RUNS[0], tmp_path).state == expected


@pytest.mark.parametrize(
    ("began", "expected"),
    [(None, "failed"), (-3 * SILENT_SECONDS, "running"), (-SILENT_SECONDS, "waiting"), (float("inf"), "waiting")],
)
def test_silence_says_nothing_where_it_is_known_since_when_the_processes_live(tmp_path, began, expected):
    since = None if began is None else time.time() + began
    progress(tmp_path, RUNS[0], "running", age=2 * SILENT_SECONDS)
    assert status(RUNS[0], tmp_path, since).state == expected
    progress(tmp_path, RUNS[1], "failed", age=2 * SILENT_SECONDS)
    assert status(RUNS[1], tmp_path, since).state == "failed"


def test_a_finished_run_of_which_more_steps_are_asked_for_waits(tmp_path):
    write_run(RUNS[0], tmp_path / "runs" / RUNS[0].directory, 5, 4)
    job_log(tmp_path, RUNS[0], "", age=2 * SILENT_SECONDS)
    longer = dataclasses.replace(RUNS[0], total_steps=2 * RUNS[0].total_steps)

    def found():
        told = status(longer, tmp_path)
        return told.state, told.done, told.total_steps

    assert status(RUNS[0], tmp_path).state == "done"
    assert found() == ("waiting", 100_000, 200_000)
    progress(tmp_path, RUNS[0], "finished", t_env=100_030)
    assert found() == ("waiting", 100_030, 200_000)
    progress(tmp_path, RUNS[0], "running", t_env=120_000)
    assert found() == ("running", 120_000, 200_000)


def test_a_run_that_has_said_nothing_is_known_by_its_log(tmp_path):
    assert status(RUNS[0], tmp_path).state == "waiting"
    job_log(tmp_path, RUNS[0], "")
    assert status(RUNS[0], tmp_path).state == "running"
    job_log(tmp_path, RUNS[1], "line\n" * 9 + "t_env 700: half way\n", age=2 * SILENT_SECONDS)
    found = status(RUNS[1], tmp_path)
    assert found.state == "failed"
    *last, why = found.reason.splitlines()
    assert last == ["line"] * (LAST_LINES - 1) + ["t_env 700: half way"]
    assert why == "silent for 0:04:00: killed, perhaps"


def test_the_overview_adds_up(tmp_path):
    write_run(RUNS[0], tmp_path / "runs" / RUNS[0].directory, 5, 4)
    for run in RUNS[1:3]:
        progress(tmp_path, run, "running")
    progress(tmp_path, RUNS[3], "failed")
    job_log(tmp_path, RUNS[3], "error: loss is nan\n")
    text = overview([status(run, tmp_path) for run in RUNS[:5]])
    assert "1 done, 2 running, 1 failed, 1 waiting" in text
    # Of 5 runs of 100 000 steps one is done, three are half way; 500 steps a second.
    assert "50.0% of all steps, 500 steps/s, 0:08:20 left" in text
    assert f"  {RUNS[1].directory}  50,000 of 100,000 win    -    250 steps/s  0:03:20 left" in text
    assert f"FAILED {RUNS[3].directory} at 50,000 steps\n  | error: loss is nan" in text


def test_a_running_run_has_the_win_rate_of_its_last_test(tmp_path):
    progress(tmp_path, RUNS[0], "running")
    log = tmp_path / "runs" / RUNS[0].directory / "train.log"
    log.write_text("t_env 9: test win rate 0.250, return 2\nt_env 99: test win rate 0.870, return 2\n" + "line\n" * 99)
    assert status(RUNS[0], tmp_path).win_rate == 0.87
    assert "win  87% " in overview([status(RUNS[0], tmp_path)])


def test_the_command_reads_a_scale(repository, monkeypatch, capsys):
    monkeypatch.chdir(repository)
    scale = "workflow/config/tiny.yaml"
    assert main(["watch", scale, "--once"]) == 0
    assert (
        "0 done, 0 running, 0 failed, 12 waiting\n0.0% of all steps, 0 steps/s, unknown time left"
        in capsys.readouterr().out
    )
    results = repository / "data" / "embedded" / "tiny"
    progress(results, RUNS[0], "failed")
    assert main(["watch", scale, "--once"]) == 1
    assert main(["watch", "workflow/config/tinny.yaml", "--once"]) == 2
    (results / "runs" / RUNS[0].directory / "progress.json").write_text(json.dumps({})[:1])
    assert status(RUNS[0], results).state == "waiting"
    for run in RUNS:
        write_run(run, results / "runs" / run.directory, 5, 4)
    assert main(["watch", scale]) == 0  # ends when all runs are done


def test_the_command_ends_with_its_reader(repository):
    command = [sys.executable, "-m", "roma", "watch", "tiny", "--seconds", "3600"]
    process = subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE)
    assert process.stdout.readline().startswith(b"0 done")
    process.stdout.close()
    assert process.wait() == 0
