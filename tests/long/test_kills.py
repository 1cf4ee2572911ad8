"""Processes are killed at random moments, again and again; the final results equal those of undisturbed ones.

The commands are `roma train` and `roma plot`; --kills sets the number of kills.
"""

import json
import random
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from roma.cli import main as roma
from roma.runs import checkpoint
from roma.support import container
from roma.support.files import BESIDE
from tests.runs import faults
from tests.runs.training.short_runs import COMA, CONFIG, MAVEN, QMIX, arguments
from tests.synthetic import write_runs
from tests.workflow.conftest import TINY

Look = Callable[[bool], None]  # gets whether the process had finished

TOTAL_STEPS = 800
ARMS = {"roma": CONFIG, "qmix": QMIX, "maven": MAVEN, "coma": COMA}
SIDE_BY_SIDE = 2
PLOTTED = TINY | {"seeds": [0], "maps": ["3m"], "cells": [{"maps": "maps", "arms": ["qmix"]}]}

# Drawing is killed, too; otherwise each process would spend a second on its imports.
faults.context.set_forkserver_preload(["tests.preloaded", "analysis.drawing", "analysis.figures.curves"])


def finish(command: list[str]) -> float:
    """Run the command undisturbed and return its seconds."""
    start = time.monotonic()
    process = faults.start(command)
    faults.join(process)
    assert process.exitcode == 0, command
    return time.monotonic() - start


def kill_often(command: list[str], directory: Path, kills: int, seconds: float, look: Look) -> None:
    """Start the command repeatedly, kill it within `seconds`, and examine its files; the last start may finish.

    If the command finishes before it is killed, it starts from scratch.
    """
    rng = random.Random(str(command))
    while kills:
        process = faults.start(command)
        faults.join(process, rng.uniform(0, seconds))
        process.kill()
        faults.join(process)
        look(process.exitcode == 0)
        if process.exitcode == 0:
            shutil.rmtree(directory)
        else:
            kills -= 1
    finish(command)
    look(True)


def contents(directory: Path) -> dict[str, bytes]:
    """Return the files of a run or figure that are a function of its configuration alone."""
    names = ("metrics.parquet", "config.json", "policies/t*", "*.png", "*.pdf", "*.csv")
    return {str(file.relative_to(directory)): file.read_bytes() for name in names for file in directory.glob(name)}


def examine(directory: Path, expected: dict[str, bytes], finished: bool) -> None:
    """Check that all files with final names are complete, and that a finished command leaves no other files."""
    for name, content in contents(directory).items():
        assert content == expected[name], name
    for path in checkpoint.paths(directory / "checkpoints"):
        container.load(path, checkpoint.KIND)
    for file in directory.glob("*.json"):
        json.loads(file.read_text())
    for file in directory.glob("*.parquet"):
        pq.read_table(file)
    if finished:
        assert contents(directory).keys() == expected.keys()
        assert not list(directory.rglob(f"{BESIDE}*"))


@pytest.mark.usefixtures("without_time_limit")
def test_killed_runs_end_as_undisturbed_ones(tmp_path, request):
    kills = -(-request.config.getoption("--kills") // len(ARMS))

    def torment(arm: str) -> int:
        undisturbed, directory = tmp_path / "undisturbed" / arm, tmp_path / arm
        seconds = finish(arguments(undisturbed, TOTAL_STEPS, ARMS[arm]))
        expected = contents(undisturbed)
        assert len(expected) == len({"metrics.parquet", "config.json"}) + len((0, TOTAL_STEPS))
        resumed = 0

        def look(finished: bool) -> None:
            nonlocal resumed
            examine(directory, expected, finished)
            if finished:
                resumed += json.loads((directory / "provenance.json").read_text())["resumes"]

        kill_often(arguments(directory, TOTAL_STEPS, ARMS[arm]), directory, kills, seconds, look)
        return resumed

    with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        resumed = sum(threads.map(torment, ARMS))
    print(f"{kills * len(ARMS)} processes killed at work; finished runs had gone on {resumed} times")
    assert resumed > 0


@pytest.mark.usefixtures("without_time_limit")
def test_killed_drawing_leaves_no_half_figure(tmp_path, root, request):
    write_runs(PLOTTED, tmp_path)
    results = tmp_path / "data" / "embedded" / "tiny"
    assert roma(["summarise", str(results), "--runs", "3m/qmix/seed0"]) == 0
    figures = str(root / "workflow" / "config" / "figures.yaml")
    command = ["plot", "validation", "--summary", str(results / "summary"), "--figures", figures, "--out"]
    undisturbed, directory = tmp_path / "undisturbed", tmp_path / "killed"
    seconds = finish([*command, str(undisturbed)])
    expected = contents(undisturbed)
    assert len(expected) == 5

    def look(finished: bool) -> None:
        for name, content in contents(directory).items():
            assert content == expected[name], name
        assert not finished or contents(directory).keys() == expected.keys()

    kills = request.config.getoption("--kills") // 5
    kill_often([*command, str(directory)], directory, kills, seconds, look)
