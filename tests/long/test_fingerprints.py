"""Variants of algorithms train as recorded, and any environment and processor give the recorded digests or losses.

A variant has other settings or other code in one place.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from roma.learners import algorithm_names
from roma.support.system.processor import family
from tests.learners.fingerprints import golden
from tests.learners.test_fingerprints import ALGORITHMS, ROOT, RUN, SAMPLE, compare
from tests.support.system.test_processor import OVERRIDES


@pytest.mark.parametrize("algorithm", sorted(set(algorithm_names()) - set(ALGORITHMS)))
def test_runs_are_the_recorded_ones(algorithm: str) -> None:
    compare(algorithm)


FIRST = """
import numpy, scipy.linalg.cython_blas, torch
torch.ones(2, 2) @ torch.ones(2, 2)
"""
PROGRAM = """
import json, sys
{first}
from roma.support.system.processor import family
from tests.learners.fingerprints import golden
from tests.learners.fingerprints.runs import trace
found = {{name: trace(name, {run!r}) for name in {sample!r}}}
records = golden.read()
print(json.dumps({{
    "family": family(),
    "digests": {{name: each.digests for name, each in found.items()}},
    "moved": {{name: golden.moved(records[name], "another", {{{run!r}: each}}) for name, each in found.items()}},
}}))
"""


def start(
    folder: Path, environment: dict[str, str], first: str = "", cores: set[int] | None = None
) -> subprocess.Popen:
    """Start a process that runs the sample."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(first=first, run=RUN, sample=SAMPLE)],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores or os.sched_getaffinity(0)),
    )


def test_digests_depend_neither_on_cores_nor_on_folder_locale_load_or_environment(tmp_path: Path) -> None:
    """Both processes run at the same time."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    others = {"LANG": "tr_TR.UTF-8", "LC_ALL": "de_DE.UTF-8", "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    processes = [
        start(tmp_path, environment | others | OVERRIDES),
        start(ROOT, environment | {"LC_ALL": "C"}, cores={min(os.sched_getaffinity(0))}),
    ]
    answers = [json.loads(process.communicate()[0]) for process in processes]
    here = {name: golden.trace(name, RUN).digests for name in SAMPLE}
    assert [answer["digests"] for answer in answers] == [here, here]
    assert [answer["family"] for answer in answers] == [family(), family()]


def test_another_family_of_processors_has_the_same_first_losses(tmp_path: Path) -> None:
    """Environment variables select its kernels, because libraries read them before the project removes them."""
    older = {"ATEN_CPU_CAPABILITY": "default", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "OPENBLAS_CORETYPE": "Nehalem"}
    if platform.machine() != "x86_64":
        older = {"OPENBLAS_CORETYPE": "ARMV8"}
    process = start(tmp_path, {**os.environ, **older}, first=FIRST)
    answer = json.loads(process.communicate()[0])
    assert answer["family"] != family()
    assert answer["digests"] != {name: golden.trace(name, RUN).digests for name in SAMPLE}
    assert answer["moved"] == {name: [] for name in SAMPLE}
