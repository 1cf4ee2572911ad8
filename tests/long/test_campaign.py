"""A campaign is killed twenty times as a whole, and loses no finished run and no number.

The runs are small, except for one on MMM2 with a full replay buffer. Takes some twenty minutes on two free cores.
"""

import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from roma.cli import main
from roma.runs import checkpoint
from roma.support import container
from tests.workflow.campaign.test_campaign import commit, git, kill_all, name_revision
from tests.workflow.conftest import SHORT, copy_repository, write_scale
from workflow.campaign import pausing, supervisor
from workflow.grid import expand

SMALL = {"test_episodes": 4, "hidden_dim": 16}
LARGE = {"buffer_size": 5000, "batch_size": 8, "hidden_dim": 16, "test_episodes": 8}
SCALE = SHORT | {
    "protocol": "paper",
    "seeds": [0],
    "total_steps": 40_000,
    "test_interval": 5_000,
    "overrides": {},
    "checkpoint_seconds": 10,  # so that each of the kills meets a run that has checkpoints
    "cells": [
        {"maps": ["3m"], "arms": ["qmix", "roma", "iql"], "overrides": SMALL},
        {"maps": ["MMM2"], "arms": ["iql"], "overrides": LARGE, "total_steps": 600_000, "test_interval": 100_000},
    ],
}


@pytest.fixture
def project(root, tmp_path, monkeypatch):
    """Return a repository with a scale and a campaign.yaml for its revision; all processes are killed at the end."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "project"
    copy_repository(root, folder)
    write_scale(folder, SCALE)
    git(folder, "init", "--quiet")
    commit(folder, "Code")
    name_revision(folder)
    monkeypatch.chdir(folder)
    yield folder
    kill_all(tmp_path / "project-campaign")


def steps(run: Path) -> int:
    file = run / "progress.json"
    return json.loads(file.read_text())["t_env"] if file.exists() else 0


def resumes(run: Path) -> list[str]:
    """Return the names of the checkpoints from which a run resumed, in order."""
    log = run / "train.log"
    text = log.read_text() if log.exists() else ""
    assert "damaged" not in text
    assert "STARTING AFRESH" not in text
    return re.findall(r"resumed from (\S+)", text)


@pytest.mark.usefixtures("without_time_limit")
def test_twenty_kills_cost_no_finished_run_and_no_number(project, tmp_path, request):
    campaign = tmp_path / "project-campaign"
    results = campaign / "data" / "embedded" / "tiny" / "runs"
    runs = list(expand(SCALE, "tiny").runs.values())
    folders = [results / run.directory for run in runs]
    command = ["campaign", "start", "--environment", sys.prefix, "--usual-priority", "--cores", "4"]
    rng = random.Random(0)

    def finished():
        return {folder: (folder / "metrics.parquet").read_bytes() for folder in folders if complete(folder)}

    def complete(folder):
        return (folder / "metrics.parquet").exists()

    kills = request.config.getoption("--campaign-kills")
    for kill in range(kills):
        before, held = finished(), {folder: checkpoint.paths(folder / "checkpoints")[-1:] for folder in folders}
        resumed = {folder: resumes(folder) for folder in folders}
        assert main(command) == 0
        # Killed after random progress of some run or, every other time, after a new checkpoint.
        goals = {
            folder: steps(folder) + rng.uniform(0, 3 / kills) * run.total_steps
            for folder, run in zip(folders, runs, strict=True)
            if not complete(folder)
        }
        if not goals:
            break

        def far_enough(folder, goal, newest=held, checkpoint_first=kill % 2):
            if complete(folder):
                return True
            new = checkpoint.paths(folder / "checkpoints")[-1:] != newest[folder]
            return new if checkpoint_first else steps(folder) > goal

        while not any(far_enough(folder, goal) for folder, goal in goals.items()):
            assert pausing.alive(pausing.state_folder()), (campaign / supervisor.LOG).read_text()
            time.sleep(0.05)
        kill_all(campaign)
        assert before.items() <= finished().items(), kill
        for folder, newest in held.items():
            # Every run resumed from its last checkpoint, so only steps after it were repeated.
            assert resumes(folder)[len(resumed[folder]) :] in ([], [path.name for path in newest]), folder
    assert main(command) == 0
    while supervisor.members(campaign):
        time.sleep(0.5)
    killed = finished()
    assert killed.keys() == set(folders), (campaign / supervisor.LOG).read_text()
    assert json.loads((folders[-1] / "provenance.json").read_text())["resumes"] > 0
    assert all(len(list((folder / "evaluations").iterdir())) == 1 for folder in folders)
    for run, folder in zip(runs, folders, strict=True):
        undisturbed = tmp_path / "undisturbed" / run.directory
        options = [
            *run.options.split(),
            "--steps",
            str(run.total_steps),
            "--milestones",
            "0",
            "--out",
            str(undisturbed),
        ]
        subprocess.run([sys.executable, "-m", "roma", "train", *options], cwd=campaign, check=True)
        assert killed[folder] == (undisturbed / "metrics.parquet").read_bytes(), folder
    facts, _ = container.load(checkpoint.paths(folders[-1] / "checkpoints")[-1], checkpoint.KIND)
    assert facts["replay"]["inserted"] >= LARGE["buffer_size"]
