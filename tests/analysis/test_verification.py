"""Comparison of a recorded run with its digests, and with its repetition."""

import json
import os

import numpy as np
import pandas as pd
import pytest

from analysis.verification import (
    different_machines,
    first_difference,
    inconsistencies,
    judge_returns,
    unequal_episodes,
)
from roma.runs.config import resolve
from roma.runs.directory import FORMAT, RunDirectory
from roma.support.files import file_digest

VERSIONS = {"torch": "2.0", "numpy": "2.0", "scipy": "1", "numba": "1", "llvmlite": "1"}
HERE = {"cpu_family": "Maker 1 2", "packages": VERSIONS, "device": "cpu", "threads": 1}
METRICS = pd.DataFrame({"t_env": range(20), "loss": [np.nan, *np.linspace(1, 2, 19)]})


@pytest.fixture
def run(tmp_path):
    """Write a run directory with the files that a run's digests cover."""
    run = RunDirectory(tmp_path)
    for folder in (run.policy_folder, run.evaluation_folder):
        folder.mkdir()
    METRICS.to_parquet(run.metrics_file)
    run.policy_file(100).write_bytes(b"weights")
    config = resolve("3m", "qmix", 0).to_json()
    facts = {"format": FORMAT, "config": config, "metrics_sha256": file_digest(run.metrics_file)}
    digest = file_digest(run.policy_file(100))
    evaluation = {"format": FORMAT, "step": 100, "policy_sha256": digest, "episodes": 2}
    evaluation |= {"battle_won": [True, False], "return": [2.0, 3.0], "ep_length": [5, 6]}
    evaluation |= {"battle_won_mean": 0.5, "return_mean": 2.5, "ep_length_mean": 5.5}
    write(run.config_file, config)
    write(run.provenance_file, facts | {"policies_sha256": {"0": "of a policy that is not here", "100": digest}})
    write(run.evaluation_file(100), evaluation)
    return run


def write(file, content):
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("metrics.parquet", None, "metrics.parquet has the digest "),
        ("policies/t100.safetensors", None, "policies/t100.safetensors has the digest "),
        ("config.json", {"seed": 1}, "config.json differs from the configuration in provenance.json"),
        ("evaluations/t100.json", {"policy_sha256": "0"}, "t100.json evaluates another policy than the one that "),
        ("evaluations/t100.json", {"return_mean": 2.6}, "t100.json: return_mean is not the mean of its episodes"),
        ("evaluations/t100.json", {"ep_length": [5, 7]}, "t100.json: ep_length_mean is not the mean of its episodes"),
    ],
)
def test_files_that_contradict_the_provenance_are_named(run, name, change, message):
    assert inconsistencies(run) == []
    file = run.path / name
    if change is None:
        file.write_bytes(file.read_bytes() + b" ")
    else:
        write(file, json.loads(file.read_text()) | change)
    (line,) = inconsistencies(run)
    assert line.startswith(f"{run.path}{os.sep}")
    assert message in line


def test_one_bit_is_a_difference():
    assert first_difference(METRICS, METRICS.copy()) == ""
    again = METRICS.copy()
    again.loc[7, "loss"] = np.nextafter(again.loc[7, "loss"], 1)
    difference = first_difference(METRICS, again)
    assert difference.startswith("loss in row 7: 1.3333333333333333, here 1.33333333333333")
    assert difference.endswith("; 1 of 40 numbers differ")
    again.loc[0, "loss"] = 0.5
    assert first_difference(METRICS, again).startswith("loss in row 0: nan, here 0.5; 2 of 40")
    assert first_difference(METRICS, METRICS.head(19)) == "20 rows of 2 columns, here 19 of 2"


def test_a_run_may_come_from_several_machines():
    assert different_machines({"segments": [HERE, HERE]}, HERE) == []
    earlier = HERE | {"cpu_family": "Other 1 1", "packages": VERSIONS | {"torch": "1.0"}, "device": "cuda"}
    facts = {"segments": [earlier, HERE]}
    assert different_machines(facts, HERE) == [
        "processor Other 1 1, here Maker 1 2",
        "torch 1.0, here 2.0",
        "device cuda, here cpu",
    ]
    # Evaluations always run on one CPU thread, regardless of the training device.
    here = {name: HERE[name] for name in ("cpu_family", "packages")}
    assert different_machines({"segments": [HERE | {"device": "cuda"}]}, here) == []


def test_the_tolerance_is_a_prediction_interval_over_the_same_tests():
    # Mean 0.5, deviation 0.1; Student's 99.5 % quantile with 4 degrees of freedom is 4.604: 0.1 · 4.604 · √1.2 = 0.504.
    seeds = [returns(0.5 + 0.1 * deviation, 9) for deviation in (-1, -1, 0, 1, 1)]
    judged = "mean test return {} of 5 recorded seeds"
    assert judge_returns(returns(1.0), seeds) == (judged.format("1.000 within 0.500 ± 0.504"), False)
    assert judge_returns(returns(1.01), seeds) == (judged.format("1.010 outside 0.500 ± 0.504"), True)
    assert judge_returns(returns(9), seeds[:2]) == (
        "test returns undecided: 2 recorded seeds, 3 needed",
        False,
    )


def returns(mean, later=None):
    """Return metrics of two tests with this mean return, and of one later test."""
    values = [mean - 0.2, mean + 0.2, *([] if later is None else [later])]
    return pd.DataFrame({"test_return_mean": values})


def test_episodes_are_equal_in_outcome_return_and_length():
    evaluation = {"battle_won": [True] * 4, "return": [2.0] * 4, "ep_length": [5] * 4}
    assert unequal_episodes(evaluation, [(True, 2.0, 5)] * 4) == []
    assert unequal_episodes(evaluation, [(True, 2.0, 5), (False, 2.0, 5), (True, 2.1, 5), (True, 2.0, 6)]) == [1, 2, 3]
