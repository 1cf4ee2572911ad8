"""The verdict on a run that was trained again: which test it has to stand, and whether it does."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from analysis.verification import COLUMNS, compare, main, run_directory, within_tolerance
from roma.files import file_digest

MACHINE = {"cpu_family": "Maker 1 2", "packages": {"torch": "2.0", "numpy": "2.0", "numba": "1", "llvmlite": "1"}}
SEEDS = 5


def write(path, seed, machine=MACHINE, win_rate=0.5, engine="1"):
    """A run with a little noise of its seed."""
    path.mkdir(parents=True)
    won = np.clip(win_rate + np.random.default_rng(seed).normal(0, 0.05, 20), 0, 1)
    pd.DataFrame({"t_env": range(20), "test_battle_won_mean": won, "loss": [np.nan, *won[1:]]}).to_parquet(
        path / "metrics.parquet"
    )
    facts = {
        "engine_version": engine,
        "metrics_sha256": file_digest(path / "metrics.parquet"),
        **machine,
    }
    (path / "provenance.json").write_text(json.dumps(facts))
    return run_directory(path)


@pytest.fixture
def recorded(tmp_path):
    runs = [write(tmp_path / "lab" / "runs" / "3m" / "qmix" / f"seed{seed}", seed) for seed in range(SEEDS)]
    return runs[0]


@pytest.fixture
def again(tmp_path):
    return tmp_path / "lab" / "verification" / "runs" / "3m" / "qmix" / "seed0"


def test_equal_numbers_are_equal_anywhere(recorded, again):
    verdict = compare(recorded, write(again, 0))
    assert verdict == {
        "map": "3m",
        "arm": "qmix",
        "seed": 0,
        "criterion": "bit for bit",
        "why": "same processor family and versions",
        "verdict": "equal",
        "detail": "60 numbers",
    }
    shutil.rmtree(again)
    elsewhere = compare(recorded, write(again, 0, {**MACHINE, "cpu_family": "Other 1 1"}))
    assert (elsewhere["verdict"], elsewhere["criterion"]) == ("equal", "tolerance")
    assert elsewhere["why"] == "processor Maker 1 2, here Other 1 1"


def test_a_run_that_moved_between_machines_is_compared_as_elsewhere(recorded, again):
    facts = recorded.read_json("provenance.json")
    earlier = {"cpu_family": "Other 1 1", "packages": facts["packages"] | {"torch": "1.0"}}
    (recorded.path / "provenance.json").write_text(json.dumps(facts | {"earlier": [earlier]}))
    verdict = compare(recorded, write(again, 0))
    assert verdict["criterion"] == "tolerance"
    assert verdict["why"] == "processor Other 1 1, here Maker 1 2; torch 1.0, here 2.0"


def test_one_bit_is_a_difference_on_the_same_machine(recorded, again):
    write(again, 0)
    metrics = pd.read_parquet(again / "metrics.parquet")
    metrics.loc[7, "loss"] = np.nextafter(metrics.loc[7, "loss"], 1)
    metrics.to_parquet(again / "metrics.parquet")
    verdict = compare(recorded, run_directory(again))
    assert verdict["verdict"] == "different"
    assert verdict["detail"].startswith("loss in row 7: ")
    assert verdict["detail"].endswith("; 1 of 60 numbers differ")


@pytest.mark.parametrize(("win_rate", "expected"), [(0.5, "within tolerance"), (0.9, "outside tolerance")])
def test_elsewhere_another_seeds_result_would_do(recorded, again, win_rate, expected):
    packages = MACHINE["packages"] | {"torch": "3.0"}
    verdict = compare(recorded, write(again, 99, {**MACHINE, "packages": packages}, win_rate))
    assert verdict["why"] == "torch 2.0, here 3.0"
    assert verdict["verdict"] == expected
    assert "over 5 seeds" in verdict["detail"]


def test_the_tolerance_is_a_prediction_interval():
    # Mean 0.5, deviation 0.1; Student's 99.5 % quantile with 4 degrees of freedom is 4.604: 0.1 · 4.604 · √1.2 = 0.504.
    seeds = 0.5 + 0.1 * np.array([-1.0, -1.0, 0.0, 1.0, 1.0])
    assert within_tolerance(0.5, seeds)["detail"] == "final win rate 0.500; recorded 0.500 ± 0.504 over 5 seeds"
    assert within_tolerance(0.5, seeds[:2])["verdict"] == "undecided"


def test_what_cannot_be_compared_is_said(recorded, again):
    assert compare(recorded, write(again, 0, engine="2"))["verdict"] == "not comparable"
    (recorded.path / "metrics.parquet").write_bytes((recorded.path.parent / "seed1" / "metrics.parquet").read_bytes())
    assert compare(recorded, run_directory(again))["verdict"] == "damaged"


@pytest.mark.parametrize(("verdict", "status"), [("equal", 0), ("undecided", 0), ("different", 1), ("damaged", 1)])
def test_the_table_is_judged(tmp_path, capsys, verdict, status):
    row = dict.fromkeys(COLUMNS, "x") | {"seed": 0, "verdict": verdict}
    (tmp_path / "verdict.json").write_text(json.dumps(row))
    assert main(["table", str(tmp_path / "verdict.json"), "--out", str(tmp_path)]) == 0
    assert main(["judge", str(tmp_path / "verdicts.csv")]) == status
    printed = capsys.readouterr().out
    assert f"| x | x | 0 | {verdict} | x | x | x |" in printed.splitlines()
    assert f"1 runs trained again, {status} not as recorded" in printed
