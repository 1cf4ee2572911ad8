"""The DAG itself, through Snakemake: what it plans, what makes it plan again, and what it refuses.

Runs are synthetic; the training of real ones through the same DAG is the smoke scale's business.
"""

import os
import time

import pytest

from tests.synthetic import write_runs
from tests.workflow.conftest import TINY, planned, write_scale


def finish(repository, snakemake):
    """All runs of the tiny scale as if they had been trained, their summary and figures made for real."""
    write_runs(TINY, repository)
    snakemake("--touch", "--forceall", "--until", "evaluate", "--", "figures")
    snakemake("--allowed-rules", "summarise", "validation", "figures", "--", "figures")


def test_without_a_file_the_demo_is_planned(repository, snakemake):
    output = snakemake("--dry-run", "figures", scale=None)
    jobs = planned(output)
    assert jobs["train"] == jobs["evaluate"] >= 29
    assert jobs["summarise"] == jobs["fig04"] == jobs["fig09"] == jobs["validation"] == 1
    assert "figures/embedded/demo/fig04.png" in output
    assert "WARNING: scale 'demo' names arms that are not built yet" in output or jobs["train"] == 71


def test_a_given_file_is_not_mixed_with_the_default(repository, snakemake):
    output = snakemake("--dry-run", "--printshellcmds", "--", "figures")
    assert planned(output) == {"train": 12, "evaluate": 12, "summarise": 1, "validation": 1, "figures": 1}
    assert "--set" not in output  # the demo's test_interval and overrides, which the tiny scale does not have
    assert "fig04" not in output
    assert "--steps 100000" in output
    assert "--milestones 0.0,1.0" in output


def test_the_paper_is_planned_fast(repository, snakemake):
    start = time.perf_counter()
    output = snakemake("--dry-run", "--config", "ablation_maps=all", "--", "figures", scale="paper")
    assert time.perf_counter() - start < 30  # about 2 s on an idle machine
    jobs = planned(output)
    assert jobs["train"] == jobs["evaluate"] >= 225


def test_one_line_plans_the_paper_on_the_real_game(repository, snakemake):
    embedded = planned(snakemake("--dry-run", "--", "figures", scale="paper"))
    output = snakemake("--dry-run", "--printshellcmds", "--config", "engine=starcraft2", "--", "figures", scale="paper")
    assert planned(output) == embedded | {"starcraft2": 1}
    assert output.count("--engine starcraft2") == embedded["train"]
    assert output.count("roma starcraft2 fetch") == 1
    assert "data/starcraft2/paper/runs/6z4b/roma/seed4" in output
    assert "--accept-licence" not in output
    chosen = 'starcraft2={version: "4.10", licence: accepted}'
    output = snakemake("--dry-run", "-p", "--config", "engine=starcraft2", chosen, "--", "starcraft2", scale="paper")
    assert "roma starcraft2 fetch --version 4.10 --accept-licence && roma starcraft2 doctor" in output


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("seedz=3", "error: workflow/config/tiny.yaml: seedz is not a known key (did you mean 'seeds'?)"),
        ("protocol=papr", "'papr' is not a known protocol (did you mean 'paper'?)"),
        ("horizon=0", "error: workflow/config/tiny.yaml: horizon: 0 is less than the minimum of 1"),
    ],
)
def test_a_mistake_stops_in_one_line_before_the_dag(repository, snakemake, key, message):
    output = snakemake("--config", key, "--", "figures", status=1)
    assert message in output
    assert "Building DAG" not in output
    assert "Traceback" not in output
    assert not (repository / "data").exists()


def test_what_makes_it_plan_again(repository, snakemake):
    finish(repository, snakemake)
    figure = repository / "figures" / "embedded" / "tiny"
    names = {f"{stem}.{kind}" for stem in ("validation", "validation_3m") for kind in ("png", "pdf")}
    assert {file.name for file in figure.iterdir()} == names | {"validation.csv"}
    assert planned(snakemake("--dry-run", "--", "figures")) == {}

    # Source and configuration files are touched.
    for pattern in ("Snakefile", "roma/**/*.py", "analysis/**/*.py", "workflow/**/*.*", "environment.yml"):
        for file in repository.glob(pattern):
            os.utime(file)
    assert planned(snakemake("--dry-run", "--", "figures")) == {}

    # One run's override changes: an arm on one map, of which each seed is a run.
    downstream = {"summarise": 1, "validation": 1, "figures": 1}
    one_cell = TINY | {
        "seeds": [0, 1, 2],
        "cells": [
            {"maps": "maps", "arms": ["qmix"]},
            {"maps": ["3m"], "arms": ["roma"]},
            {"maps": ["8m"], "arms": ["roma"], "overrides": {"learning_rate": 0.001}},
        ],
    }
    write_scale(repository, one_cell)
    output = snakemake("--dry-run", "--printshellcmds", "--", "figures")
    assert planned(output) == {"train": 3, "evaluate": 3, **downstream}
    trained = [line for line in output.splitlines() if "roma train" in line]
    assert all("--map 8m --algorithm roma" in line and "--set learning_rate=0.001" in line for line in trained)

    # A seed more, and a longer horizon: only what that touches.
    write_scale(repository, TINY | {"seeds": [0, 1, 2, 3]})
    assert planned(snakemake("--dry-run", "--", "figures")) == {"train": 4, "evaluate": 4, **downstream}
    write_scale(repository, TINY | {"horizon": {"default": 100_000, "8m": 150_000}})
    assert planned(snakemake("--dry-run", "--", "figures")) == {"train": 6, "evaluate": 6, **downstream}

    # The number of final battles: no training.
    write_scale(repository, TINY | {"evaluation_episodes": 8})
    assert planned(snakemake("--dry-run", "--", "figures")) == {"evaluate": 12, **downstream}

    # As before: nothing again.
    write_scale(repository, TINY)
    assert planned(snakemake("--dry-run", "--", "figures")) == {}


def test_linted(snakemake):
    assert "your workflow is in a good condition" in snakemake("--lint")
