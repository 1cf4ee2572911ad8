"""Comparison of a recorded run with its digests, with a second training and with a second evaluation.

On the same processor family and with the same package versions every number must be equal. Elsewhere the last bits
differ, and a repeated run diverges from the recorded one like a run with another seed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from analysis.statistics import FEWEST_SEEDS
from roma.runs.directory import RunDirectory
from roma.support.files import file_digest
from roma.support.numbers import ordered_sum

COMPUTING = ("torch", "numpy", "scipy", "numba", "llvmlite")  # packages whose version can change the last bits
LEVEL = 0.99  # coverage of the prediction interval
RETURN = "test_return_mean"
OUTCOMES = ("battle_won", "return", "ep_length")  # per episode of an evaluation; the means add `_mean` to the name


def inconsistencies(run: RunDirectory) -> list[str]:
    """Return a message for each file of a run that contradicts the run's provenance.

    Policies that are missing on this machine are skipped.

    Raises:
        UserError: A file is missing or cannot be read.
    """
    facts = run.provenance
    named = {run.metrics_file: facts["metrics_sha256"]}
    named |= {run.policy_file(step): digest for step, digest in facts["policies_sha256"].items()}
    here = {file: file_digest(file) for file in named if file.exists() or file == run.metrics_file}
    wrong = [
        f"{file} has the digest {digest[:12]}, {run.provenance_file.name} names {named[file][:12]}"
        for file, digest in here.items()
        if digest != named[file]
    ]
    if run.read_json(run.config_file) != facts["config"]:
        wrong.append(f"{run.config_file} differs from the configuration in {run.provenance_file.name}")
    for file in sorted(run.evaluation_folder.glob("t*.json")):
        evaluation = run.read_json(file)
        if evaluation["policy_sha256"] != facts["policies_sha256"][str(evaluation["step"])]:
            wrong.append(f"{file} evaluates another policy than the one that {run.provenance_file.name} names")
        wrong += [
            f"{file}: {name}_mean is not the mean of its episodes"
            for name in OUTCOMES
            if evaluation[f"{name}_mean"] != ordered_sum(evaluation[name]) / evaluation["episodes"]
        ]
    return wrong


def different_machines(facts: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Return the differences between the recording and the repeating machine that can change the last bits.

    Args:
        facts: Provenance of the run, which may have been trained in segments on several machines.
        here: Provenance segment of the repetition, or the result of `roma.support.system.provenance.describe`.
    """
    new = _rounding(here)
    differences = [
        f"{name} {old or 'unknown'}, here {new[name]}"
        for old_values in map(_rounding, facts["segments"])
        for name, old in old_values.items()
        if name in new and old != new[name]
    ]
    return list(dict.fromkeys(differences))


def _rounding(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a machine that can change the last bits."""
    return {
        "processor": part.get("cpu_family"),
        **{name: part.get("packages", {}).get(name) for name in COMPUTING},
        **{name: part[name] for name in ("device", "threads") if name in part},
    }


def first_difference(metrics: pd.DataFrame, metrics_again: pd.DataFrame) -> str:
    """Return a description of the first difference between two tables of metrics; empty if they are bit-identical."""
    if list(metrics) != list(metrics_again) or len(metrics) != len(metrics_again):
        return (
            f"{len(metrics)} rows of {metrics.shape[1]} columns, here {len(metrics_again)} of {metrics_again.shape[1]}"
        )
    numbers, numbers_again = metrics.to_numpy(float), metrics_again.to_numpy(float)
    differs = (numbers != numbers_again) & ~(np.isnan(numbers) & np.isnan(numbers_again))
    if not differs.any():
        return ""
    row, column = np.argwhere(differs)[0]
    where = f"{metrics.columns[column]} in row {row}"
    values = f"{numbers[row, column]:.17g}, here {numbers_again[row, column]:.17g}"
    return f"{where}: {values}; {differs.sum()} of {differs.size} numbers differ"


def judge_returns(metrics_again: pd.DataFrame, recorded: Sequence[pd.DataFrame]) -> tuple[str, bool]:
    """Judge the test returns of a run that was trained again on another processor family.

    The mean return must lie in the 99 % Student t prediction interval of the recorded seeds, over the same tests.
    Returns are used because win rates are zero early in training.

    Args:
        metrics_again: Metrics of the repeated run.
        recorded: Metrics of the recorded seeds of this map and arm.

    Returns:
        A message, and True if the mean lies outside the interval. With too few seeds the result is undecided and False.
    """
    rows, n = len(metrics_again), len(recorded)
    if n < FEWEST_SEEDS:
        return f"test returns undecided: {n} recorded seeds, {FEWEST_SEEDS} needed", False
    value, *seeds = (float(metrics[RETURN].head(rows).mean()) for metrics in (metrics_again, *recorded))
    mean, deviation = np.mean(seeds), np.std(seeds, ddof=1)
    half_width = stdtrit(n - 1, (1 + LEVEL) / 2) * deviation * np.sqrt(1 + 1 / n)
    outside = bool(abs(value - mean) > half_width)
    place = "outside" if outside else "within"
    return f"mean test return {value:.3f} {place} {mean:.3f} ± {half_width:.3f} of {n} recorded seeds", outside


def unequal_episodes(evaluation: Mapping[str, Any], outcomes: Sequence[tuple[bool, float, int]]) -> list[int]:
    """Return the numbers of the episodes of an evaluation whose repeated outcome differs from the recorded one.

    Args:
        evaluation: Recorded evaluation.
        outcomes: Won, return and length of each repeated episode.
    """
    recorded = zip(*(evaluation[name] for name in OUTCOMES), strict=True)
    return [number for number, (old, new) in enumerate(zip(recorded, outcomes, strict=True)) if old != new]
