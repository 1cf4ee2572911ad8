"""Overhead of Snakemake, and gain from a second core, on a grid of short runs like those of the smoke scale."""

import os
import shutil
import subprocess
import sys
import time

import pandas as pd
import pytest

from tests.benchmarks.processor import processor_seconds
from tests.workflow.conftest import TINY, copy_repository, planned, write_scale

GRID = TINY | {
    "scale": "grid",
    "protocol": "paper",
    "seeds": [0, 1],
    "total_steps": 3000,
    "test_interval": 1000,
    "overrides": {"test_episodes": 2, "batch_size": 4},
    "cells": [{"maps": ["2s3z", "5m_vs_6m"], "arms": ["qmix", "roma", "iql", "vdn"]}],
}


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_snakemake_costs_little_and_two_cores_are_nearly_twice_as_fast_as_one(root, tmp_path):
    """Sixteen runs are trained, evaluated and summarised from scratch, on one core and then on two."""
    copy_repository(root, tmp_path)
    scale = write_scale(tmp_path, GRID)
    subprocess.run([sys.executable, "-m", "roma", "compile"], check=True)
    took = {}
    for cores in (1, 2):
        shutil.rmtree(tmp_path / "data", ignore_errors=True)  # with the checkpoints from which runs would resume
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--configfile", str(scale)]
        start = time.perf_counter()
        subprocess.run([*command, "--", "summary"], cwd=tmp_path, check=True, capture_output=True)
        took[cores] = time.perf_counter() - start
        if cores == 1:
            benchmarks = list((tmp_path / "data" / "embedded" / "grid" / "benchmarks").rglob("*.tsv"))
            worked = sum(pd.read_csv(file, sep="\t")["s"].sum() for file in benchmarks)
            cost = (took[1] - worked) / len(benchmarks)
    print(f"one core {took[1]:.1f} s, two cores {took[2]:.1f} s: {took[1] / took[2]:.2f} times as fast")
    print(f"{cost:.2f} s of Snakemake for each of {len(benchmarks)} jobs")
    assert cost < 2
    assert took[1] / took[2] > 1.3  # 1.8 where nothing else runs


@pytest.mark.parametrize("scale", ["paper", "lab"])
def test_345_runs_are_planned_fast(root, tmp_path, scale):
    copy_repository(root, tmp_path)
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "2", "--configfile"]
    before = processor_seconds()
    done = subprocess.run(
        [*command, f"workflow/config/{scale}.yaml", "--", "figures"],
        cwd=tmp_path,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    seconds = processor_seconds() - before
    print(f"{seconds:.1f} s of processor time for {scale}")
    assert planned(done.stdout)["train"] == 345
    assert seconds < 15
