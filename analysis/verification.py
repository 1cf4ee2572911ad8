"""A recorded run against the same run trained again, and the table of all verdicts.

    python -m analysis.verification compare RECORDED AGAIN --out verdict.json
    python -m analysis.verification table verdict.json ... --out FOLDER
    python -m analysis.verification judge FOLDER/verdicts.csv

On one family of processors and with the same versions of what computes, every number of metrics.parquet must be the
same. Elsewhere last bits differ, and a run drifts away from its twin as one of another seed would: there the final win
rate, the mean of the last quarter of its tests, must lie in the 99 % prediction interval (Student t) of the recorded
seeds of the same map and arm.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from analysis.runs import RunDirectory, found_runs
from analysis.statistics import FEWEST_SEEDS
from roma.envs import recorded_engine_version
from roma.files import atomic_path, file_digest, write_bytes, write_json

COMPUTING = ("torch", "numpy", "scipy", "numba", "llvmlite")  # packages whose versions may change last bits
LEVEL = 0.99
LAST = 0.25  # share of a run's tests that its final win rate is the mean of
PASSED = ("equal", "within tolerance")
COLUMNS = ("map", "arm", "seed", "verdict", "criterion", "why", "detail")


def compare(recorded: RunDirectory, again: RunDirectory) -> dict[str, Any]:
    """The verdict on a recorded run: its row of the table."""
    facts, facts_again = (run.read_json("provenance.json") for run in (recorded, again))
    differences = different_machines(facts, facts_again)
    verdict = {
        "map": recorded.map,
        "arm": recorded.arm,
        "seed": recorded.seed,
        "criterion": "tolerance" if differences else "bit for bit",
        "why": "; ".join(differences) or "same processor family and versions",
    }
    if facts["metrics_sha256"] != file_digest(recorded.path / "metrics.parquet"):
        return verdict | {"verdict": "damaged", "detail": "the metrics are not those that the provenance names"}
    version, version_again = (recorded_engine_version(each) for each in (facts, facts_again))
    if version != version_again:
        detail = f"recorded on engine version {version} of the map, here {version_again}"
        return verdict | {"verdict": "not comparable", "detail": detail}
    metrics, metrics_again = recorded.read_metrics(), again.read_metrics()
    if metrics.equals(metrics_again):
        return verdict | {"verdict": "equal", "detail": f"{metrics.size} numbers"}
    if not differences:
        return verdict | {"verdict": "different", "detail": first_difference(metrics, metrics_again)}
    seeds = [run for run in found_runs(recorded.path.parents[3]) if (run.map, run.arm) == (recorded.map, recorded.arm)]
    return verdict | within_tolerance(
        final_win_rate(metrics_again), [final_win_rate(run.read_metrics()) for run in seeds]
    )


def different_machines(facts: dict[str, Any], facts_again: dict[str, Any]) -> list[str]:
    """What differs between two runs' provenance that may change last bits, in words.

    Either may have been made in parts, on several machines.
    """
    differences: list[str] = []
    for part, part_again in product(_parts(facts), _parts(facts_again)):
        for name, old in _rounding(part).items():
            new = _rounding(part_again)[name]
            if old != new:
                differences.append(f"{name} {old or 'unknown'}, here {new}")
    return list(dict.fromkeys(differences))


def _parts(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """What a run's provenance says of each machine that made a part of it."""
    return [*facts.get("earlier", []), facts]


def _rounding(part: dict[str, Any]) -> dict[str, str | None]:
    """What last bits depend on."""
    return {"processor": part.get("cpu_family"), **{name: part.get("packages", {}).get(name) for name in COMPUTING}}


def first_difference(metrics: pd.DataFrame, metrics_again: pd.DataFrame) -> str:
    """Where two tables differ first, in words."""
    if list(metrics) != list(metrics_again) or len(metrics) != len(metrics_again):
        return (
            f"{len(metrics)} rows of {metrics.shape[1]} columns, here {len(metrics_again)} of {metrics_again.shape[1]}"
        )
    numbers, numbers_again = metrics.to_numpy(float), metrics_again.to_numpy(float)
    differs = (numbers != numbers_again) & ~(np.isnan(numbers) & np.isnan(numbers_again))
    row, column = np.argwhere(differs)[0]
    where = f"{metrics.columns[column]} in row {row}"
    values = f"{numbers[row, column]:.17g}, here {numbers_again[row, column]:.17g}"
    return f"{where}: {values}; {differs.sum()} of {differs.size} numbers differ"


def final_win_rate(metrics: pd.DataFrame) -> float:
    """Mean test win rate over the last quarter of a run's tests."""
    return float(metrics["test_battle_won_mean"].tail(max(1, round(len(metrics) * LAST))).mean())


def within_tolerance(value: float, recorded: Sequence[float]) -> dict[str, str]:
    """Whether a final win rate is one that another seed of these might have had; undecided with too few of them."""
    n = len(recorded)
    if n < FEWEST_SEEDS:
        return {"verdict": "undecided", "detail": f"{n} recorded seeds, of which {FEWEST_SEEDS} are needed"}
    mean, deviation = np.mean(recorded), np.std(recorded, ddof=1)
    half_width = student.ppf((1 + LEVEL) / 2, n - 1) * deviation * np.sqrt(1 + 1 / n)
    inside = abs(value - mean) <= half_width
    return {
        "verdict": "within tolerance" if inside else "outside tolerance",
        "detail": f"final win rate {value:.3f}; recorded {mean:.3f} ± {half_width:.3f} over {n} seeds",
    }


def table(verdicts: Sequence[Path], directory: Path) -> None:
    """Writes verdicts.csv and verdicts.md."""
    rows = pd.DataFrame([json.loads(path.read_text()) for path in verdicts], columns=list(COLUMNS))
    rows = rows.sort_values(["map", "arm", "seed"])
    with atomic_path(directory / "verdicts.csv") as beside:
        rows.to_csv(beside, index=False)
    lines = [COLUMNS, ["---"] * len(COLUMNS), *rows.to_numpy().tolist()]
    text = "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
    write_bytes(directory / "verdicts.md", text.encode())


def judge(verdicts: Path) -> int:
    """Prints the table; 1 unless no run has failed."""
    print(verdicts.with_suffix(".md").read_text(), end="")
    rows = pd.read_csv(verdicts)
    failed = ~rows["verdict"].isin([*PASSED, "undecided"])
    print(f"{len(rows)} runs trained again, {failed.sum()} not as recorded")
    return int(failed.any())


def run_directory(path: Path) -> RunDirectory:
    map_name, arm, seed = path.parts[-3:]
    return RunDirectory(path, map_name, arm, int(seed.removeprefix("seed")))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m analysis.verification", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    comparison = commands.add_parser("compare", help="write the verdict on one run")
    comparison.add_argument("recorded", type=Path)
    comparison.add_argument("again", type=Path)
    comparison.add_argument("--out", type=Path, required=True)
    tables = commands.add_parser("table", help="write verdicts.csv and verdicts.md")
    tables.add_argument("verdicts", type=Path, nargs="+")
    tables.add_argument("--out", type=Path, required=True)
    judging = commands.add_parser("judge", help="print the table; status 1 if a run is not as recorded")
    judging.add_argument("verdicts", type=Path)
    options = parser.parse_args(arguments)
    if options.command == "judge":
        return judge(options.verdicts)
    if options.command == "table":
        table(options.verdicts, options.out)
    else:
        write_json(options.out, compare(run_directory(options.recorded), run_directory(options.again)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
