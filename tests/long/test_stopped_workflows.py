"""Workflows and campaigns are killed or told to end; the same command goes on, and finished runs stay complete."""

import json
import os
import signal
import time

import pytest

from roma.runs import checkpoint
from roma.runs.directory import RunDirectory
from tests.workflow import forked
from tests.workflow.campaign.test_campaign import kill_all
from tests.workflow.conftest import SHORT, planned, write_scale
from workflow.campaign import pausing


@pytest.mark.parametrize("alone", [False, True], ids=["with its jobs", "alone"])
def test_a_killed_workflow_is_taken_up_by_the_same_command(repository, snakemake, alone):
    """All processes are killed at once, as in a power failure, or only Snakemake, as by the out-of-memory killer.

    In the latter case, the run in training ends by itself, after a checkpoint.
    """
    scale = write_scale(repository, SHORT | {"total_steps": 8000})
    run = repository / "data" / "embedded" / "tiny" / "runs" / "3m" / "qmix" / "seed0"
    command = ["snakemake", "--cores", "1", "--configfile", str(scale), "--", "summary"]
    with forked.begun(repository, *command, output=repository / "output") as workflow:
        workflow.until((run / "progress.json").exists)
        (os.kill if alone else os.killpg)(workflow.process, signal.SIGKILL)
        assert workflow.wait() == -signal.SIGKILL
    output = snakemake("--", "summary")
    assert "Error" not in output
    log = (run / "train.log").read_text()
    assert ("stopped by a signal" in log) == ("resumed from" in log) == alone
    assert (run / "evaluations" / "t8000.json").exists()
    assert planned(snakemake("--dry-run", "--", "summary")) == {}


def test_a_workflow_that_is_told_to_end_finishes_its_jobs_and_says_how_to_go_on(repository, snakemake):
    scale = write_scale(repository, SHORT | {"total_steps": 8000})
    run = repository / "data" / "embedded" / "tiny" / "runs" / "3m" / "qmix" / "seed0"
    command = ["snakemake", "--cores", "1", "--configfile", str(scale), "--", "summary"]
    with forked.begun(repository, *command, output=repository / "output") as workflow:
        workflow.until((run / "progress.json").exists)
        os.kill(workflow.process, signal.SIGTERM)
        assert workflow.wait() == 1
    output = (repository / "output").read_text()
    assert "STOPPED before all jobs were done; the same command goes on from here" in output
    assert "FAILED" not in output
    assert planned(snakemake("--", "summary")) == {"evaluate": 1, "summarise": 1, "summary": 1}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, "failure"])
def test_in_mid_extension_the_shorter_run_stays_complete(repository, snakemake, end):
    """Snakemake deletes declared outputs before and after a failed job, but not those marked `update`."""
    directory = RunDirectory(repository / "data" / "embedded" / "tiny" / "runs" / "3m" / "qmix" / "seed0")
    evaluation = directory.evaluation_file(500).relative_to(repository)
    write_scale(repository, SHORT | {"total_steps": 500})
    snakemake("--", str(evaluation))
    complete = (directory.config_file, directory.metrics_file, directory.timing_file, directory.provenance_file)
    complete += (directory.evaluation_file(500), *map(directory.policy_file, (0, 500)))
    shorter = {path: path.read_bytes() for path in complete}
    before = checkpoint.paths(directory.checkpoint_folder)

    scale = write_scale(repository, SHORT | {"total_steps": 1_000_000})
    target = str(directory.evaluation_file(1_000_000).relative_to(repository))
    if end == "failure":
        for path in before:
            path.write_bytes(b"")
        output = snakemake("--", target, status=1)
        assert output.count("FAILED: Training qmix on 3m, seed 0 (exit status 2)") == 3
    else:
        command = ["snakemake", "--cores", "1", "--configfile", str(scale), "--", target]
        with forked.begun(repository, *command, output=repository / "output") as workflow:
            workflow.until(lambda: json.loads(directory.progress_file.read_text())["total_steps"] != 500)
            os.killpg(workflow.process, end)
            assert workflow.wait() != 0
    assert {path: path.read_bytes() for path in complete} == shorter
    assert directory.completed_steps(directory.config) == directory.held_steps() == 500


def test_a_campaign_that_was_killed_goes_on_with_the_same_command(called):
    called.start()
    called.wait_for(lambda: len(called.begun) == 2)
    # A group that is stopped and loses the leader of its session is sent SIGHUP and SIGCONT by the kernel.
    called("pause")
    called.wait_for(lambda: called.states() == {"T"})
    os.kill(pausing.record(pausing.state_folder())["supervisor"], signal.SIGKILL)
    while len(called.checkpoints()) < 2:  # the runs end after a checkpoint
        time.sleep(0.05)
    called.start()  # processes of the first one may still be ending
    called.wait_for(lambda: len(called.begun) == 4)
    assert [line.rpartition(" ")[2] for line in called.begun] == ["False", "False", "True", "True"]
    kill_all(called.folder)
    called.start()
    (called.signs / "finish").touch()
    called.wait_until_ended()
    assert "4 done" in called("status")
