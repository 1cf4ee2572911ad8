"""The DAG, through Snakemake: planned jobs, triggers of new plans, and refusals.

Runs are synthetic; the smoke scale trains real ones through the same DAG.
"""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from roma.runs.directory import RunDirectory
from tests.synthetic import write_runs
from tests.workflow import forked
from tests.workflow.conftest import SHORT, TINY, copy_repository, planned, write_scale

EIGHT = TINY | {"seeds": [0, 1]}  # runs: two arms on two maps


@pytest.fixture(scope="module")
def made(root, tmp_path_factory):
    """A repository with eight runs as if they had been trained, and with summary and figures made for real."""
    folder = tmp_path_factory.mktemp("finished") / "roma"
    copy_repository(root, folder)
    scale = write_scale(folder, EIGHT).relative_to(folder).as_posix()
    write_runs(EIGHT, folder)
    touch = ("--touch", "--forceall", "--until", "evaluate", "measure")
    for options in (touch, ("--allowed-rules", "summarise", "validation", "report", "export", "figures")):
        status, printed = forked.snakemake(folder, "--cores", "2", "--configfile", scale, *options, "--", "figures")
        assert status == 0, printed
    return folder


@pytest.fixture
def finished(made, repository):
    """Another repository with the same results, their times and Snakemake's records."""
    for part in (".snakemake", "data", "figures"):
        shutil.copytree(made / part, repository / part)
    write_scale(repository, EIGHT)
    return repository


def test_without_a_file_the_demo_is_planned(repository, snakemake):
    output = snakemake("--dry-run", "figures", scale=None)
    jobs = planned(output)
    assert jobs["train"] == jobs["evaluate"] == 79
    assert jobs["summarise"] == jobs["fig04"] == jobs["fig09"] == jobs["validation"] == jobs["report"] == 1
    assert "figures/embedded/demo/fig04.png" in output


def test_a_given_file_is_not_mixed_with_the_default(repository, snakemake):
    output = snakemake("--dry-run", "--printshellcmds", "--", "figures")
    made_once = {"summarise": 1, "validation": 1, "report": 1, "export": 1, "figures": 1}
    assert planned(output) == {"train": 12, "evaluate": 12, "measure": 6, **made_once}
    assert "--set" not in output  # the demo's test_interval and overrides, which the tiny scale does not have
    assert "fig04" not in output
    assert "--steps 100000" in output
    assert "--milestones 0 " in output


def plan_all(snakemake, scale, runs, *more):
    """Return the planned jobs of a scale that has so many runs."""
    output = snakemake("--dry-run", *more, "--", "figures", scale=scale)
    jobs = planned(output)
    assert jobs["train"] == jobs["evaluate"] == runs
    assert re.search(rf"{runs} runs of scale '{scale}' are missing, about [0-9,]+ core-hours", output)
    return jobs


@pytest.mark.parametrize(
    ("scale", "more", "runs"), [("paper", ["--config", "ablation_maps=all"], 495), ("lab", [], 345)]
)
def test_all_runs_of_the_paper_are_planned(repository, snakemake, scale, more, runs):
    plan_all(snakemake, scale, runs, *more)


def test_one_line_plans_the_paper_on_the_real_game(repository, snakemake):
    embedded = plan_all(snakemake, "paper", 345)
    output = snakemake("--dry-run", "--printshellcmds", "--config", "engine=starcraft2", "--", "figures", scale="paper")
    assert planned(output) == embedded | {"starcraft2": 1}
    assert output.count("--engine starcraft2") == embedded["train"]
    assert output.count("roma starcraft2 fetch") == 1
    assert "data/starcraft2/paper/runs/6z4b/roma/seed4" in output
    assert "--accept-licence" not in output
    chosen = 'starcraft2={version: "4.10", licence: accepted}'
    output = snakemake("--dry-run", "-p", "--config", "engine=starcraft2", chosen, "--", "starcraft2")
    assert "roma starcraft2 fetch --version 4.10 --accept-licence && roma starcraft2 doctor" in output


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("seedz=3", "error: workflow/config/tiny.yaml: seedz is not a known key (did you mean 'seeds'?)"),
        ("protocol=papr", "'papr' is not a known protocol (did you mean 'paper'?)"),
        ("total_steps=0", "error: workflow/config/tiny.yaml: total_steps = 0 must be at least 1"),
    ],
)
def test_a_mistake_stops_in_one_line_before_the_dag(repository, snakemake, key, message):
    output = snakemake("--config", key, "--", "figures", status=1)
    assert message in output
    assert "Building DAG" not in output
    assert "Traceback" not in output
    assert not (repository / "data").exists()


@pytest.mark.usefixtures("finished")
def test_what_makes_it_plan_again(repository, snakemake):
    figure = repository / "figures" / "embedded" / "tiny"
    names = {f"{stem}.{kind}" for stem in ("validation", "validation_3m") for kind in ("png", "pdf")}
    assert {file.name for file in figure.iterdir()} == names | {"validation.csv", "report.html", "marl_eval.json"}

    # Source and configuration files are touched: nothing to do.
    for pattern in ("Snakefile", "roma/**/*.py", "analysis/**/*.py", "workflow/**/*.*", "environment.yml"):
        for file in repository.glob(pattern):
            os.utime(file)
    assert planned(snakemake("--dry-run", "--", "figures")) == {}

    # One more seed, and a longer run: only affected jobs are planned.
    downstream = {"summarise": 1, "validation": 1, "report": 1, "export": 1, "figures": 1}
    write_scale(repository, EIGHT | {"seeds": [0, 1, 2]})
    assert planned(snakemake("--dry-run", "--", "figures")) == {"train": 4, "evaluate": 4, "measure": 2, **downstream}
    write_scale(repository, EIGHT | {"total_steps": {"default": 100_000, "8m": 150_000}})
    assert planned(snakemake("--dry-run", "--", "figures")) == {"train": 4, "evaluate": 4, "measure": 2, **downstream}

    # The same in a fresh clone with pulled runs, where Snakemake has no records of its own.
    records = (repository / ".snakemake").rename(repository / "records")
    assert planned(snakemake("--dry-run", "--", "figures")) == {"train": 4, "evaluate": 4, "measure": 2, **downstream}
    shutil.rmtree(repository / ".snakemake")
    records.rename(repository / ".snakemake")

    # A shorter run: the existing longer one is used.
    write_scale(repository, EIGHT | {"total_steps": 50_000})
    assert planned(snakemake("--dry-run", "--", "figures")) == {}

    # Milestones are kept during training; new ones do not start a training.
    write_scale(repository, EIGHT | {"milestones": [0, 50_000]})
    assert planned(snakemake("--dry-run", "--", "figures")) == {}

    # The number of final battles: no training.
    write_scale(repository, EIGHT | {"evaluation_episodes": 8})
    assert planned(snakemake("--dry-run", "--", "figures")) == {"evaluate": 8, **downstream}

    # The number of measured episodes: no training either.
    write_scale(repository, EIGHT | {"rollout_episodes": {"last": 4}})
    assert planned(snakemake("--dry-run", "--", "figures")) == {"measure": 4, **downstream}

    # As at first: nothing to do.
    write_scale(repository, EIGHT)
    assert planned(snakemake("--dry-run", "--", "figures")) == {}


def files_below(folder):
    """Return content and time of every file."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("finished")
def test_a_mismatch_stops_before_any_job_and_leaves_every_byte_in_place(repository, snakemake):
    before = files_below(repository / "data"), files_below(repository / "figures")
    faster = {"maps": ["8m"], "arms": ["roma"], "overrides": {"learning_rate": 0.001}}
    write_scale(repository, EIGHT | {"cells": [{"maps": "maps", "arms": ["qmix"]}, faster]})
    output = snakemake("--", "figures", status=1)
    directory = "data/embedded/tiny/runs/8m/roma/seed0"
    assert f"error: {directory} holds a run with learning_rate = 0.0005 (not 0.001); nothing was touched" in output
    assert "Traceback" not in output
    assert (files_below(repository / "data"), files_below(repository / "figures")) == before

    # A missing tracked run is never trained again.
    write_scale(repository, EIGHT)
    tracked = {"outs": [{f"{directory}/metrics.parquet": {"persist": True}}]}
    description = repository / "data" / "embedded" / "tiny" / "dvc.yaml"
    description.write_text(yaml.safe_dump({"stages": {"metrics": tracked}}))
    assert planned(snakemake("--dry-run", "--", "figures")) == {}
    for name in ("metrics.parquet", "config.json"):
        (repository / directory / name).unlink()
        output = snakemake("--", "figures", status=1)
        assert f"error: {directory} is tracked but {name} is not here: dvc pull {directory}/{name}" in output


def test_videos_are_made_on_request(repository, snakemake):
    assert planned(snakemake("--dry-run", "--", "videos"))["video"] == 2  # one per map


# Two runs of which one has a loss that is not finite after its first update.
FAILING = SHORT | {
    "arms": {"broken": {"algorithm": "qmix", "overrides": {"learning_rate": 1e30}}},
    "cells": [{"maps": ["3m"], "arms": ["broken", "qmix"]}],
}


def test_a_failing_run_does_not_stop_the_others_and_is_listed_at_the_end(repository, snakemake):
    write_scale(repository, FAILING)
    command = ("--keep-going", "--", "figures")
    output = snakemake(*command, status=1)
    runs = repository / "data" / "embedded" / "tiny" / "runs" / "3m"
    assert {file.parts[-4] for file in runs.glob("*/seed0/evaluations/t300.json")} == {"qmix"}
    log = "data/embedded/tiny/logs/train/3m/broken/seed0.log"
    failure = f"FAILED: Training broken on 3m, seed 0 (exit status 2): see {log}\n    | t_env "
    assert output.count(failure) == 3  # the rule has two retries of its own
    assert "started: Training broken on 3m, seed 0, attempt 2\n" in output
    finished = r"finished: Training qmix on 3m, seed 0, after \d:\d\d:\d\d, win rate \d+%; 1 of 2 runs, 1 of 9 jobs, "
    assert re.search(finished, output)  # the win rate is read from the run's log
    assert "Reason:" not in output  # and no names of outputs, no control characters
    assert "metrics.parquet" not in output
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", output)
    report = output.split("FAILED: 1 jobs")[1]
    assert "train 3m broken 0: see data/embedded/tiny/logs/train/3m/broken/seed0.log" in report
    assert "| error: loss is " in report
    assert json.loads((runs / "broken" / "seed0" / "progress.json").read_text())["state"] == "failed"

    # Without the cause, the same command makes the missing files, and nothing else.
    write_scale(repository, FAILING | {"arms": {"broken": {"algorithm": "qmix"}}})
    assert planned(snakemake("--dry-run", "--", "summary")) == {"train": 1, "evaluate": 1, "summarise": 1, "summary": 1}


def test_the_locks_of_a_living_workflow_are_left_alone(repository, snakemake):
    program = "from workflow.running.takeover import take_over; take_over(); print('here', flush=True); input()"
    lock = repository / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=repository, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as living:
        assert living.stdout.readline() == "here\n"
        lock.write_text("data/embedded/tiny/runs/3m/qmix/seed0/metrics.parquet\n")
        output = snakemake("--", "summary", status=1)
        assert "Directory cannot be locked" in output
        assert f"WARNING: Snakemake already works in this folder (process {living.pid}), " in output
        assert lock.exists()
        living.kill()
    assert "already works" not in snakemake("--dry-run", "--", "summary")
    assert not lock.exists()


@pytest.mark.parametrize(
    ("how", "target", "made"),
    [
        ("--directory", "figures", "figures/embedded/tiny/report.html"),
        ("another folder", "summary", "data/embedded/tiny/summary/runs.parquet"),
    ],
)
def test_results_may_lie_in_another_folder(repository, tmp_path_factory, how, target, made):
    """All outputs are written there; files of the code are found beside the Snakefile."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    scale = write_scale(repository, SHORT)
    write_runs(SHORT, elsewhere)
    options = ["--cores", "2", "--snakefile", str(repository / "Snakefile")]
    options += ["--directory", str(elsewhere)] if how == "--directory" else []

    def call(*arguments):
        folder = repository if how == "--directory" else elsewhere
        status, printed = forked.snakemake(folder, *options, *arguments)
        assert status == 0, printed
        return printed

    rules = ("summarise", "validation", "report", "export", target)
    call("--configfile", str(scale), "--allowed-rules", *rules, "--", target)
    assert (elsewhere / made).exists()
    assert not (repository / "data").exists()
    assert planned(call("--dry-run", "--", "summary"))["train"] == 79  # without a scale, the demo's


def test_an_edit_of_what_a_figure_is_made_from_draws_it_again(repository, snakemake):
    cells = [{"maps": ["3m"], "arms": ["qmix"]}, {"maps": ["10m_vs_11m"], "arms": ["roma"]}]
    scale = SHORT | {"maps": ["3m", "10m_vs_11m"], "cells": cells, "figures": ["validation", "claims", "published"]}
    write_scale(repository, scale)
    write_runs(scale, repository)
    snakemake("--touch", "--forceall", "--until", "evaluate", "measure", "--", "figures")
    snakemake("--allowed-rules", "summarise", *scale["figures"], "report", "export", "figures", "--", "figures")

    def edited(name, old, new):
        """Return the plan after an edit, and undo the edit and its file time."""
        file = repository / name
        before, times = file.read_text(), file.stat()
        assert old in before
        file.write_text(before.replace(old, new, 1))
        output = snakemake("--dry-run", "--", "figures")
        file.write_text(before)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        return planned(output)

    shown = {"report": 1, "figures": 1}
    assert edited("analysis/claims.yaml", "id:", "id:  ") == {"claims": 1, **shown}
    assert edited("analysis/published.csv", "\n", "\n# More.\n") == {"published": 1, **shown}
    figures = "workflow/config/figures.yaml"
    assert edited(figures, "title: Learning curves on a small map", "title: 3m") == {"validation": 1, **shown}
    assert edited(figures, "title: Learning curves of ROMA and baselines", "title: Baselines") == shown
    every = {"measure": 1, "summarise": 1, "validation": 1, "claims": 1, "published": 1, "export": 1, **shown}
    assert edited(figures, "10m_vs_11m: [27]", "10m_vs_11m: [28]") == every
    assert edited(figures, "27m_vs_30m: [1]", "27m_vs_30m: [2]") == {}  # for a map without runs in this scale
    assert planned(snakemake("--dry-run", "--", "figures")) == {}


def test_a_longer_run_goes_on_from_the_checkpoint(repository, snakemake):
    """Four times as long, like 2 million instead of 500 000 steps; the result equals that of a long run."""
    metrics = "data/embedded/tiny/runs/3m/qmix/seed0/metrics.parquet"
    extended = []
    for lengths in ((200, 800), (800,)):
        for total_steps in lengths:
            write_scale(repository, SHORT | {"total_steps": total_steps})
            snakemake("--", metrics)
        log = (repository / metrics).with_name("train.log").read_text()
        extended.append(((repository / metrics).read_bytes(), "resumed from" in log))
        shutil.rmtree(repository / "data")
    (content, resumed), (undisturbed, fresh) = extended
    assert (resumed, fresh) == (True, False)
    assert content == undisturbed


def test_policies_that_nothing_needs_are_not_missed_and_others_made_again_or_named(repository, snakemake):
    write_scale(repository, SHORT)
    write_runs(SHORT, repository)
    run = RunDirectory(repository / "data" / "embedded" / "tiny" / "runs" / "3m" / "qmix" / "seed0")
    shutil.rmtree(run.policy_folder)
    assert planned(snakemake("--dry-run", "--", "runs")) == {}
    run.evaluation_file(300).unlink()
    assert planned(snakemake("--dry-run", "--", "runs")) == {"train": 1, "evaluate": 1, "runs": 1}
    shutil.rmtree(run.checkpoint_folder)
    output = snakemake("--", "runs", status=1)
    policy = run.policy_file(300).relative_to(repository)
    assert f"error: {policy} is missing, although the run is finished: if it is tracked, `dvc pull" in output
    assert run.metrics_file.exists()


def test_an_unwritable_home_is_no_obstacle(repository, snakemake, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert planned(snakemake("--dry-run", "--", "runs"))["train"] == 12


def test_a_folder_that_cannot_be_written_is_named_in_one_line(repository, snakemake):
    """As in a clone that belongs to somebody else."""
    (repository / ".snakemake").write_text("in the way", encoding="utf-8")
    output = snakemake("--", "runs", status=1)
    assert f"error: cannot write to the output folder {repository / '.snakemake'}: " in output
    assert "Traceback" not in output


def test_environments_made_by_snakemake_are_refused_in_one_line(repository, snakemake):
    output = snakemake("--software-deployment-method", "conda", "--dry-run", "--", "runs", status=1)
    assert "error: Snakemake copies environment.yml away from the files that it names" in output
    assert "Traceback" not in output
