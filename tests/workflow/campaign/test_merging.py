"""Merging of finished runs: collected from a campaign, or merged from another machine."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from roma.runs.directory import RunDirectory
from roma.support.errors import UserError
from roma.support.files import file_digest
from tests.synthetic import write_run
from tests.workflow import forked
from tests.workflow.campaign.test_campaign import commit, git, name_revision
from tests.workflow.conftest import TINY, copy_repository, write_scale
from workflow.campaign.clone import read_named
from workflow.campaign.collection import supply
from workflow.campaign.merging import RECORD, bring, finished_runs
from workflow.grid import expand

SCALE = TINY | {"scale": "merged", "maps": ["3m"], "cells": [{"maps": ["3m"], "arms": ["qmix"]}]}
RUNS = list(expand(SCALE, "merged").runs.values())
RESULTS = Path("data/embedded/merged")


def finish(results, run, family="Abacus", **changes):
    """Write the files of a run finished on this processor family; `changes` change its identity."""
    directory = results / "runs" / run.directory
    write_run(run, directory, 20, 4)
    facts = json.loads((directory / "provenance.json").read_text())
    facts["segments"][-1]["cpu_family"] = family
    facts["config"] |= changes
    (directory / "provenance.json").write_text(json.dumps(facts))
    return directory


def change(directory, **columns):
    """Change the metrics of a run."""
    metrics = pd.read_parquet(directory / "metrics.parquet").assign(**columns)
    metrics.to_parquet(directory / "metrics.parquet")


def shorten(directory, rows, steps):
    """Cut the metrics of a run, as if it had been asked for fewer steps."""
    pd.read_parquet(directory / "metrics.parquet").iloc[:rows].to_parquet(directory / "metrics.parquet")
    last(directory, steps)


def last(directory, steps):
    """Give a finished run this many steps, with an evaluation of its last policy."""
    run = RunDirectory(directory)
    facts = json.loads(run.provenance_file.read_text())
    for file in (run.evaluation_file, run.policy_file):
        file(facts["total_steps"]).rename(file(steps))
    run.provenance_file.write_text(json.dumps(facts | {"total_steps": steps, "milestones": [steps]}))


@pytest.fixture
def places(tmp_path):
    return tmp_path / "theirs", tmp_path / "mine"


def contents(results):
    return {path.relative_to(results): path.read_bytes() for path in results.rglob("*") if path.is_file()}


def test_finished_runs_are_brought_and_others_stay_away(places):
    theirs, mine = places
    for run in RUNS[:2]:
        finish(theirs, run)
    unfinished = finish(theirs, RUNS[2])
    shutil.rmtree(unfinished / "evaluations")
    left_out = {Path("progress.json"), Path("checkpoints/t000000001.safetensors")}  # not the newest checkpoint
    for file in left_out:
        (theirs / "runs" / RUNS[0].directory / file).write_text("{}")
    assert bring(theirs, mine) == [run.directory for run in RUNS[:2]] == finished_runs(mine)
    brought = contents(mine / "runs" / RUNS[0].directory)
    assert brought.keys() == contents(theirs / "runs" / RUNS[0].directory).keys() - left_out
    before = contents(mine)
    assert bring(theirs, mine) == []
    assert contents(mine) == before


def test_a_run_that_was_extended_takes_the_place_of_the_shorter_one(places):
    theirs, mine = places
    finish(theirs, RUNS[0])
    shorten(finish(mine, RUNS[0]), 10, 50_000)
    expected = contents(theirs)
    assert bring(theirs, mine) == [RUNS[0].directory]
    assert contents(mine) == expected
    shorten(theirs / "runs" / RUNS[0].directory, 10, 50_000)
    assert bring(theirs, mine) == []  # the longer one is here already
    assert contents(mine) == expected


@pytest.mark.parametrize("longer", ["theirs", "mine"])
def test_of_a_run_that_was_trained_anew_elsewhere_both_digests_are_recorded(places, longer):
    theirs, mine = places
    one = finish(theirs, RUNS[0], "Abacus")
    other = finish(mine, RUNS[0], "Slide-rule")
    change(one, test_return_mean=1.0)
    shorten(other if longer == "theirs" else one, 10, 50_000)
    digests = {"theirs": file_digest(one / "metrics.parquet"), "mine": file_digest(other / "metrics.parquet")}
    for _ in range(2):  # recorded once
        assert bring(theirs, mine) == ([RUNS[0].directory] if longer == "theirs" and _ == 0 else [])
        if longer == "theirs":
            shutil.copytree(one, other, dirs_exist_ok=True)
    (entry,) = json.loads((mine / RECORD).read_text())
    assert entry["run"] == RUNS[0].directory
    assert entry["kept"]["metrics_sha256"] == digests[longer]
    assert entry["given_up"]["metrics_sha256"] == digests["mine" if longer == "theirs" else "theirs"]
    assert (entry["kept"]["total_steps"], entry["given_up"]["total_steps"]) == (100_000, 50_000)
    assert {entry["kept"]["cpu_family"], entry["given_up"]["cpu_family"]} == {"Abacus", "Slide-rule"}
    assert file_digest(other / "metrics.parquet") == digests[longer]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, f"{RUNS[1].directory} has two different results of 100000 steps, in "),
        ({"seed": 7}, f"{RUNS[1].directory} in .* has seed = {RUNS[1].seed} \\(not 7\\) in "),
        ({"engine_version": "2"}, f"{RUNS[1].directory} in .* has engine_version = 1 \\(not 2\\) in "),
        ({"algorithm_version": 2}, f"{RUNS[1].directory} in .* has algorithm_version = 1 \\(not 2\\) in "),
    ],
)
def test_two_different_results_are_refused_by_name_and_nothing_is_changed(places, changes, message):
    theirs, mine = places
    for run in RUNS:
        finish(theirs, run)
    change(finish(mine, RUNS[1], **changes), test_return_mean=1.0)
    before = contents(mine)
    with pytest.raises(UserError, match=message):
        bring(theirs, mine)
    assert contents(mine) == before


@pytest.fixture
def project(root, tmp_path, monkeypatch):
    for who in ("AUTHOR", "COMMITTER"):
        for what in ("NAME", "EMAIL"):
            monkeypatch.setenv(f"GIT_{who}_{what}", "test@example.org")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc-site"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "project"
    copy_repository(root, folder)
    write_scale(folder, SCALE)
    git(folder, "init", "--quiet")
    commit(folder, "Code")
    name_revision(folder, scale="merged")
    return folder


def tracked(project):
    """Return the MD5 of the metrics that DVC tracks, by run."""
    outs = yaml.safe_load((project / RESULTS / "dvc.lock").read_text())["stages"]["metrics"]["outs"]
    return {"/".join(Path(out["path"]).parts[-4:-1]): out["md5"] for out in outs if "metrics.parquet" in out["path"]}


def campaign(project, *arguments, status=0):
    """Return what `roma campaign` prints."""
    found, printed = forked.run(project, "roma", "campaign", *arguments)
    assert found == status, printed
    return printed


def test_collected_and_merged_runs_are_tracked(project, tmp_path):
    assert "there is no campaign in" in campaign(project, "collect", status=2)
    running = tmp_path / "project-campaign"
    git(tmp_path, "clone", "--quiet", str(project), str(running))
    finish(running / RESULTS, RUNS[0])
    assert "1 runs brought from" in campaign(project, "collect")
    assert tracked(project).keys() == {RUNS[0].directory}
    assert git(project, "status", "--porcelain") == ""
    assert "Track results of scale merged" in git(project, "log", "-1", "--format=%s")

    # A repetition changes nothing, except that it tracks copied files and restores lost ones.
    head = git(project, "rev-parse", "HEAD")
    campaign(project, "collect")
    assert git(project, "rev-parse", "HEAD") == head
    finish(running / RESULTS, RUNS[1])
    bring(running / RESULTS, project / RESULTS)
    shutil.rmtree(project / RESULTS / "runs" / RUNS[0].directory)
    campaign(project, "collect")
    assert tracked(project).keys() == {run.directory for run in RUNS[:2]}
    assert finished_runs(project / RESULTS) == [run.directory for run in RUNS[:2]]

    # From another machine: a longer run that was trained again there is kept, and both digests are in git.
    other = tmp_path / "other" / "project"
    anew = finish(other / RESULTS, RUNS[0])
    last(anew, 200_000)
    change(anew, test_return_mean=1.0)
    campaign(project, "merge", str(other))
    assert RECORD in git(project, "show", "--name-only", "--format=", "HEAD")
    (entry,) = json.loads((project / RESULTS / RECORD).read_text())
    assert entry["kept"]["metrics_sha256"] == file_digest(anew / "metrics.parquet")
    assert git(project, "status", "--porcelain") == ""
    change(anew, test_return_mean=2.0)
    message = f"error: {RUNS[0].directory} has two different results of 200000 steps"
    assert message in campaign(project, "merge", str(other), status=2)
    assert "is not the folder of another clone" in campaign(project, "merge", str(project), status=2)


def test_a_lost_clone_is_supplied_with_what_is_tracked(project, tmp_path):
    running = tmp_path / "project-campaign"
    git(tmp_path, "clone", "--quiet", str(project), str(running))
    finish(running / RESULTS, RUNS[0])
    shorten(finish(running / RESULTS, RUNS[1]), 10, 50_000)  # the scale asks for more steps
    campaign(project, "collect")
    shutil.rmtree(running)
    shutil.rmtree(project / RESULTS / "runs")
    shutil.rmtree(project / ".dvc" / "cache")
    git(tmp_path, "clone", "--quiet", str(project), str(running))
    begun = running / RESULTS / "runs" / RUNS[2].directory / "progress.json"
    begun.parent.mkdir(parents=True)
    begun.write_text("{}")

    supply(project, running, read_named(project))
    assert finished_runs(running / RESULTS) == [RUNS[0].directory]
    supplied = running / RESULTS / "runs" / RUNS[0].directory
    assert contents(supplied) == contents(project / RESULTS / "runs" / RUNS[0].directory)
    (evaluation,) = supplied.glob("evaluations/t*.json")
    assert evaluation.stat().st_mtime >= (supplied / "metrics.parquet").stat().st_mtime  # else it is made again
    assert [path.name for path in begun.parent.iterdir()] == [begun.name]

    (supplied / "metrics.parquet").unlink()  # a longer run has begun in its place
    supply(project, running, read_named(project))
    assert finished_runs(running / RESULTS) == []
