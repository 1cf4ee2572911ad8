"""Campaigns: one command over Snakemake, in a separate clone, with a stand-in for `roma` that trains nothing."""

import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from roma.cli import main
from roma.support.errors import UserError
from tests.workflow import forked
from tests.workflow.conftest import TINY, copy_repository, write_scale
from workflow import cost, watch
from workflow.campaign import order, pausing, supervisor
from workflow.campaign.clone import GUARDS, NAMED, check_out, find_commit, read_named
from workflow.campaign.control import next_time
from workflow.campaign.status import seconds_a_step, slowdown, used_hours
from workflow.grid import expand

SCALE = TINY | {"seeds": [0, 1], "maps": ["3m"], "cells": [{"maps": ["3m"], "arms": ["qmix", "iql"]}]}
IDENTITY = {f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

# A stand-in run counts its steps, resumes where it was stopped, and finishes once the file `finish` exists.
STAND_IN = """#!{python}
import json, os, signal, sys, time
from pathlib import Path
from roma.cli import build_parser
from roma.runs.config import parse_assignments, resolve
from roma.support.files import write_json
from roma.runs.directory import RunDirectory
from roma.support.system.owner import end_with_owner

action, arguments = sys.argv[1], sys.argv[2:]
signs = Path(os.environ["XDG_STATE_HOME"])
stopped = []
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, frame: stopped.append(number))
end_with_owner()
if action == "train":
    asked = build_parser("train").parse_args(sys.argv[1:])
    out, steps = Path(asked.out), int(asked.steps)
    overrides = parse_assignments(asked.set)
    config = resolve(asked.map, asked.algorithm, int(asked.seed), asked.protocol, asked.engine, overrides).to_json()
    checkpoint = out / "checkpoints" / "done.json"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    done = json.loads(checkpoint.read_text()) if checkpoint.exists() else 0
    with (signs / "begun").open("a") as file:
        file.write(f"{{out.parent.name}} {{out.name}} {{done > 0}}\\n")
    while not (signs / "finish").exists():
        done += 1
        facts = {{"t_env": done, "total_steps": steps, "steps_per_second": 100.0, "cpu_family": os.environ["FAMILY"]}}
        facts |= {{"state": "stopped" if stopped else "running", "time": time.time()}}
        write_json(out / "progress.json", facts)
        if stopped:
            write_json(checkpoint, done)
            sys.exit(143)
        time.sleep(0.05)
    write_json(out / "config.json", config)
    facts = {{"format": 1, "config": config, "total_steps": steps, "cpu_seconds": 1800.0, "environment_steps": steps}}
    write_json(out / "provenance.json", facts)
    write_json(out / "metrics.parquet", {{}})
elif action == "evaluate":
    evaluation = RunDirectory(Path(arguments[0])).evaluation_file(arguments[arguments.index("--step") + 1])
    evaluation.parent.mkdir(exist_ok=True)
    write_json(evaluation, {{}})
"""


@functools.cache
def family():
    """Return the processor family of this machine, determined with loaded libraries."""
    with forked.own_commands():
        return order.family()


def git(folder, *arguments):
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=os.environ | IDENTITY, text=True, capture_output=True, check=True
    )
    return done.stdout.strip()


def commit(folder, message):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def name_revision(project, at="HEAD", **changes):
    """Commit workflow/campaign.yaml with a revision of the project."""
    said = {
        "revision": git(project, "rev-parse", at),
        "tree": git(project, "rev-parse", f"{at}^{{tree}}"),
        "scale": "tiny",
        "open": [],
    }
    (project / NAMED).write_text(yaml.safe_dump(said | changes))
    return commit(project, "Name the revision")


@pytest.fixture
def small(tmp_path):
    """Return a repository with a few files, for tests without Snakemake."""
    project = tmp_path / "project"
    (project / "workflow").mkdir(parents=True)
    (project / "tests" / "golden").mkdir(parents=True)
    for guard in GUARDS:
        (project / guard).write_text(json.dumps({"3m": "digests"}))
    (project / "code").write_text("1")
    git(project, "init", "--quiet")
    commit(project, "Code")
    name_revision(project)
    return project


@pytest.fixture
def project(root, tmp_path, state, monkeypatch):
    """Return a repository with a scale of four runs and a campaign.yaml; all processes are killed at the end."""
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 600.0)  # on a busy machine, processes need more time to end
    folder = tmp_path / "project"
    copy_repository(root, folder)
    write_scale(folder, SCALE)
    git(folder, "init", "--quiet")
    commit(folder, "Code")
    name_revision(folder)
    yield folder
    kill_all(tmp_path / "project-campaign")


def kill_all(campaign):
    """Kill all processes of a campaign, the supervisor last; it is stopped before, so that it cannot act."""
    supervisors = [process for process in supervisor.members(campaign) if is_supervisor(process)]
    for process in supervisors:
        send(process, signal.SIGSTOP)
    while processes := supervisor.members(campaign):
        for process in processes:
            if process not in supervisors or len(processes) == len(supervisors):
                send(process, signal.SIGKILL)
        time.sleep(0.01)
    while pausing.alive(pausing.state_folder()):  # an ending process holds its lock for a moment
        time.sleep(0.01)


def is_supervisor(process):
    try:
        return b"workflow.campaign.supervisor" in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def send(process, number):
    with suppress(ProcessLookupError):
        os.kill(process, number)


@pytest.fixture
def environment(tmp_path):
    """Return this environment with the stand-in in place of `roma`."""
    folder, mine = tmp_path / "environment", Path(sys.prefix)
    (folder / "bin").mkdir(parents=True)
    (folder / "lib").symlink_to(mine / "lib")
    (folder / "pyvenv.cfg").write_text((mine / "pyvenv.cfg").read_text())
    (folder / "bin" / "python").symlink_to((mine / "bin" / "python").resolve())
    stand_in = folder / "bin" / "roma"
    stand_in.write_text(STAND_IN.format(python=folder / "bin" / "python"))
    stand_in.chmod(0o755)
    return folder


class Campaign:
    """Running campaign, with the commands of a user."""

    def __init__(self, project, environment, capsys, monkeypatch):
        self.folder = project.parent / "project-campaign"
        self.signs = Path(os.environ["XDG_STATE_HOME"])
        self._environment, self._capsys = environment, capsys
        monkeypatch.chdir(project)
        monkeypatch.setenv("FAMILY", family())

    def __call__(self, *arguments, status=0):
        assert main(["campaign", *arguments]) == status
        said = self._capsys.readouterr()
        return (said.out if status == 0 else said.err).strip()

    def start(self, *options):
        return self("start", "--environment", str(self._environment), "--usual-priority", "--cores", "2", *options)

    def wait_for(self, condition):
        while not condition():
            assert pausing.alive(pausing.state_folder()), (self.folder / supervisor.LOG).read_text()
            time.sleep(0.05)

    def wait_until_ended(self):
        while supervisor.members(self.folder):
            time.sleep(0.05)

    @property
    def begun(self):
        """Return one line for each start of a run: arm, seed, and whether it resumed from a checkpoint."""
        file = self.signs / "begun"
        return file.read_text().splitlines() if file.exists() else []

    def steps(self):
        """Return the steps of each run that was begun."""
        files = self.folder.glob("data/embedded/tiny/runs/3m/*/*/progress.json")
        return {file.parent: json.loads(file.read_text())["t_env"] for file in files}

    def checkpoints(self):
        return list(self.folder.glob("data/embedded/tiny/runs/3m/*/*/checkpoints/done.json"))

    def states(self):
        """Return the states of all threads of the paused process group."""
        group = pausing.record(pausing.state_folder())["group"]
        found = set()
        for process in supervisor.members(self.folder):
            for thread in Path(f"/proc/{process}/task").glob("*/stat"):
                with suppress(OSError):  # it may have ended since
                    fields = thread.read_text().rpartition(")")[2].split()
                    if int(fields[2]) == group:
                        found.add(fields[0])
        return found


@pytest.fixture
def called(project, environment, capsys, monkeypatch):
    return Campaign(project, environment, capsys, monkeypatch)


def test_a_campaign_from_start_to_end(called, project):
    assert called("status", status=2).startswith("error: there is no campaign in")
    assert called("stop", status=2) == called("pause", status=2) == "error: no campaign runs on this machine"
    assert called.start().startswith(f"the campaign runs in {called.folder}")
    assert called("start", status=2) == f"error: a campaign runs on this machine already, in {called.folder}"
    called.wait_for(lambda: len(called.steps()) == len(called.begun) == 2)  # as many as cores
    said = called("status")
    assert "0 done, 2 running, 0 failed, 2 waiting" in said
    assert "running, started" in said
    assert "all         0 of    4  ends about" in said
    progressing = [line for line in said.splitlines() if re.match(r"  3m/\w+/seed\d +[\d,]+ of [\d,]+ +win ", line)]
    assert len(progressing) == 2  # as roma watch shows them

    # Paused by hand: nothing runs until it is resumed.
    assert called("pause") == "the campaign is paused"
    called.wait_for(lambda: called.states() == {"T"})
    before = called.steps()
    assert "paused, started" in called("status")
    assert called.steps() == before
    assert called("resume") == "the campaign goes on"
    called.wait_for(lambda: called.steps() != before)

    # Paused while a command runs, and resumed when it ends, even if it is killed.
    for end in ("close", "kill"):
        command = [sys.executable, project / "workflow" / "campaign" / "pausing.py", "sh", "-c", "echo paused; cat"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout.readline() == "paused\n"
            called.wait_for(lambda: called.states() == {"T"})
            assert called("resume") == "the campaign goes on as soon as the command that pauses it has ended"
            if end == "kill":
                other.kill()
                called.wait_for(lambda: "T" not in called.states())
            other.stdin.close()
        called.wait_for(lambda: "T" not in called.states())

    # Stopped: the runs have checkpoints and resume from them, except for one that was begun on another family.
    assert called("stop") == "the campaign has stopped; all runs have written their checkpoints"
    assert supervisor.members(called.folder) == []
    said = called("status")
    assert ": stopped" in said
    assert "0 done, 0 running, 0 failed, 4 waiting" in said
    assert "would end about" in said
    first, second = (line.removesuffix(" False") for line in called.begun)
    moved = called.folder / "data/embedded/tiny/runs/3m" / second.replace(" ", "/") / "progress.json"
    moved.write_text(json.dumps(json.loads(moved.read_text()) | {"cpu_family": "Slide-rule"}))
    called.start()
    called.wait_for(lambda: len(called.begun) == 4)
    assert f"{first} True" in called.begun
    assert f"{second} True" not in called.begun
    (called.signs / "finish").touch()
    called.wait_until_ended()
    said = called("status")
    assert "4 done, 0 running, 0 failed, 0 waiting" in said
    assert "2.0 core-hours used, 0.0 left" in said
    assert said.endswith("all         4 of    4  done")
    results = called.folder / "data" / "embedded" / "tiny"
    assert len(list(results.glob("runs/3m/*/*/evaluations/t*.json"))) == 4
    assert not (results / "summary").exists()
    assert not (called.folder / "figures").exists()
    assert not (project / "data").exists()


def test_the_next_moment_of_a_clock():
    now = datetime(2026, 2, 28, 23, 30)
    assert next_time("23:31", now) == datetime(2026, 2, 28, 23, 31)
    assert next_time("06:05", now) == datetime(2026, 3, 1, 6, 5)
    assert next_time("23:30", now) == datetime(2026, 3, 1, 23, 30)
    with pytest.raises(UserError, match="'25:00' is not a time of the form HH:MM"):
        next_time("25:00", now)


def test_core_hours_are_processor_time_and_the_end_counts_on_the_time_that_runs_get(tmp_path):
    runs = list(expand(SCALE, "tiny").runs.values())
    finished, running, stopped, _ = runs
    said = {"state": "running", "t_env": 36_000, "total_steps": 100_000, "steps_per_second": 10.0, "time": time.time()}
    for run, state in ((running, "running"), (stopped, "stopped")):
        progress = tmp_path / "runs" / run.directory / "progress.json"
        progress.parent.mkdir(parents=True)
        progress.write_text(json.dumps(said | {"state": state}))
    standings = [watch.status(run, tmp_path, 0.0) for run in runs]
    assert [each.state for each in standings] == ["waiting", "running", "waiting", "waiting"]

    rates = seconds_a_step(runs, standings, tmp_path)
    speeds = cost.read_speeds()
    assert rates == {run.key: 1 / cost.expected_speed(run, speeds) for run in runs}
    used = 36_000 * (rates[running.key] + rates[stopped.key]) / 3600
    assert used_hours(runs, standings, tmp_path, rates) == pytest.approx(used)
    assert slowdown(runs, standings, rates) == pytest.approx(1 / (rates[running.key] * 10.0))
    assert slowdown([stopped], [standings[2]], rates) == 1.0

    # The core-hours of a finished run are known, and expected for the other seeds of its cell.
    folder = tmp_path / "runs" / finished.directory
    folder.mkdir(parents=True)
    facts = {"cpu_seconds": 7200.0, "environment_steps": 1000, "total_steps": finished.total_steps}
    (folder / "provenance.json").write_text(json.dumps(facts))
    (folder / "metrics.parquet").touch()
    standings[0] = watch.status(finished, tmp_path, 0.0)
    rates = seconds_a_step(runs, standings, tmp_path)
    same = [run for run in runs if (run.map, run.arm) == (finished.map, finished.arm)]
    assert len(same) == 2
    assert all((rates[run.key] == 7.2) == (run in same) for run in runs)
    assert used_hours(runs[:1], standings[:1], tmp_path, rates) == 2.0


def test_the_clone_moves_forward_only_to_where_runs_can_go_on(small, tmp_path):
    clone = tmp_path / "clone"
    first = git(small, "rev-parse", "HEAD~1")
    check_out(small, clone, first)
    assert git(clone, "rev-parse", "HEAD") == first
    (small / "code").write_text("2")
    (small / GUARDS[0]).write_text(json.dumps({"3m": "digests", "8m": "digests"}))
    second = commit(small, "More code and another map")
    check_out(small, clone, second)
    assert (clone / "code").read_text() == "2"
    with pytest.raises(UserError, match="only moves forward"):
        check_out(small, clone, first)
    (small / GUARDS[0]).write_text(json.dumps({"3m": "digests", "8m": "other digests"}))
    third = commit(small, "Another engine")
    message = f"runs cannot go on from {second} to {third}: 8m in {GUARDS[0]} differs"
    with pytest.raises(UserError, match=message):
        check_out(small, clone, third)
    assert git(clone, "rev-parse", "HEAD") == second
    (clone / "code").write_text("3")
    with pytest.raises(UserError, match="were changed: a campaign runs what is committed"):
        check_out(small, clone, second)


def test_a_folder_that_is_none_of_the_campaign_is_refused(small, tmp_path):
    for folder in (small / "clone", tmp_path):
        with pytest.raises(UserError, match="must not contain each other"):
            check_out(small, folder, "HEAD")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UserError, match="exists and is not a clone"):
        check_out(small, tmp_path / "full", "HEAD")


def test_a_commit_that_is_lost_is_found_by_its_tree(small):
    named = read_named(small)
    assert find_commit(small, named) == git(small, "rev-parse", "HEAD~1")
    name_revision(small, "HEAD~1", revision="0" * 40)
    assert find_commit(small, read_named(small)) == git(small, "rev-parse", "HEAD~2")
    name_revision(small, tree="0" * 40)
    with pytest.raises(UserError, match=f"the tree of .* is .*, not {'0' * 40}"):
        find_commit(small, read_named(small))
    name_revision(small, revision="0" * 40, tree="1" * 40)
    with pytest.raises(UserError, match="neither the commit"):
        find_commit(small, read_named(small))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"revision": "HEAD"}, "revision = 'HEAD' does not match"),
        ({"open": "pilot"}, "open = 'pilot' is not a list"),
        ({"opened": []}, "must have the keys revision, tree, scale, open and no others"),
    ],
)
def test_a_mistake_in_the_named_revision_is_one_line(small, changes, message):
    name_revision(small, **changes)
    with pytest.raises(UserError, match=message):
        read_named(small)


def test_what_is_named_is_committed(small):
    (small / NAMED).write_text("revision: 1\n")
    with pytest.raises(UserError, match="has uncommitted changes"):
        read_named(small)
    (small / NAMED).unlink()
    with pytest.raises(UserError, match=r"there is no workflow/campaign\.yaml"):
        read_named(small)


def test_mistakes_are_one_line(small, monkeypatch, capsys, state):
    monkeypatch.chdir(small.parent)
    assert main(["campaign", "status"]) == 2
    assert "roma campaign works in a clone of the project" in capsys.readouterr().err
    monkeypatch.chdir(Path(supervisor.__file__).parent)
    for arguments, message in (
        (["start", "--cores", "0"], "must be at least 1"),
        (["start", "--until", "noon"], "is not a time of the form HH:MM"),
        (["begin"], "invalid choice: 'begin'"),
        ([], "arguments are required: action"),
    ):
        assert main(["campaign", *arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert message in error
        assert error.count("\n") == 1
