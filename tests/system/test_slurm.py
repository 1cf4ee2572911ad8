"""Runs on a real Slurm cluster with one node; one run reaches its time limit and is submitted again."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.conftest import copy_repository, write_scale

AS_ROOT = [] if os.geteuid() == 0 else ["sudo"]
LIMIT = 60  # seconds: Slurm's shortest time limit
CLUSTER = Path(__file__).with_name("slurm.sh")
SMALL = {"parallel_envs": 4, "batch_size": 8, "buffer_size": 30, "hidden_dim": 8, "test_episodes": 4}
SCALE = {
    "scale": "cluster",
    "engine": "embedded",
    "protocol": "paper",
    "seeds": [0],
    "total_steps": 2000,
    "test_interval": 1000,
    "overrides": SMALL,
    "milestones": [0],
    "evaluation_episodes": 4,
    "maps": ["3m"],
    "ablation_maps": ["3m"],
    "cells": [{"maps": "maps", "arms": ["iql", "vdn"]}],
    "figures": ["validation"],
    "curves": ["test_battle_won_mean"],
}


@pytest.fixture
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    try:
        subprocess.run(["sh", CLUSTER, "start", folder], check=True, timeout=240)
        yield folder
    finally:
        subprocess.run(["sh", CLUSTER, "stop", folder], check=True, timeout=60)


@pytest.fixture
def leftovers(tmp_path_factory):
    """Start a cluster without an owner, as after a killed test run, with a hanging controller; return its processes."""
    folder = tmp_path_factory.mktemp("left")
    subprocess.run(["sh", "-c", 'sh "$0" start "$1"; true', CLUSTER, folder], check=True, timeout=240)
    processes = [int((folder / f"{daemon}.pid").read_text()) for daemon in ("slurmctld", "slurmd")]
    subprocess.run([*AS_ROOT, "kill", "-STOP", str(processes[0])], check=True)
    return processes


def runs(process: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_killed_run_left_is_removed_and_a_living_one_is_not_disturbed(leftovers, cluster, tmp_path):
    """`cluster` starts after `leftovers`."""
    assert not [process for process in leftovers if runs(process)]
    second = subprocess.run(["sh", CLUSTER, "start", tmp_path], text=True, capture_output=True, timeout=240)
    assert second.returncode == 1
    assert second.stderr == f"error: process {os.getpid()} is using the cluster in {cluster}\n"
    subprocess.run(["sh", CLUSTER, "stop", tmp_path], check=True, timeout=60)
    states = subprocess.run(["sinfo", "--noheader", "--format=%T"], text=True, capture_output=True, timeout=60)
    assert states.stdout == "idle\n"


def train(directory: Path, steps: int) -> subprocess.Popen:
    """Train the long run by hand."""
    settings = [
        part for name, value in {**SMALL, "test_interval": 1000}.items() for part in ("--set", f"{name}={value}")
    ]
    command = [sys.executable, "-m", "roma", "train", "--map", "3m", "--algorithm", "qmix", "--seed", "0", *settings]
    return subprocess.Popen([*command, "--steps", str(steps), "--out", str(directory)], stderr=subprocess.DEVNULL)


@pytest.mark.usefixtures("cluster", "without_time_limit")
def test_a_run_that_reaches_its_time_limit_is_resubmitted_and_loses_nothing(root, tmp_path):
    repository = tmp_path / "roma"
    copy_repository(root, repository)
    # Measures the speed of a run after a first one, because the first includes compilation.
    subprocess.run([sys.executable, "-m", "roma", "compile"], check=True, timeout=300)
    assert train(tmp_path / "short", 40_000).wait() == 0
    short = provenance(tmp_path / "short")
    steps = int(short["environment_steps"] / short["cpu_seconds"] * 2.5 * LIMIT)
    long = {"maps": "maps", "arms": ["qmix"], "total_steps": steps}
    scale = write_scale(repository, SCALE | {"cells": [*SCALE["cells"], long]})
    undisturbed = train(tmp_path / "undisturbed", steps)

    runs = Path("data/embedded/cluster/runs/3m")
    targets = [f"{runs / arm}/seed0/metrics.parquet" for arm in ("qmix", "iql", "vdn")]
    profile = ["--workflow-profile", "workflow/profiles/slurm", "--configfile", str(scale)]
    resources = ["--set-resources", "train:runtime=1+45*(attempt-1)", "train:mem_mb=1500"]
    command = [sys.executable, "-m", "snakemake", *profile, *resources, "--", *targets]
    done = subprocess.run(command, cwd=repository, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    assert ", attempt 2\n" in done.stdout
    assert undisturbed.wait() == 0

    limited = repository / runs / "qmix" / "seed0"
    log = (limited / "train.log").read_text()
    assert "stopped by a signal" in log
    assert "resumed from" in log
    assert provenance(limited)["resumes"] >= 1
    assert (limited / "metrics.parquet").read_bytes() == (tmp_path / "undisturbed" / "metrics.parquet").read_bytes()
    assert not list(repository.rglob(".beside-*"))


def provenance(directory: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((directory / "provenance.json").read_text())
    return facts
