"""Merging of finished runs from another clone into the results of this one.

An equal or longer run in this clone stays. Nothing changes until all runs have been checked.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roma.runs.config import differences
from roma.runs.directory import RunDirectory
from roma.support.errors import UserError
from roma.support.files import BESIDE, file_digest, write_json

RECORD = "merges.json"  # beside the runs of a scale: results that were replaced by longer ones of the same identity
LEFT_OUT = (f"{BESIDE}*", "lock", "elsewhere", RunDirectory(Path()).progress_file.name)


@dataclass(frozen=True)
class Result:
    """Facts by which finished runs are compared."""

    run: RunDirectory
    config: dict[str, Any]  # content of config.json
    total_steps: int  # environment steps
    digest: str  # SHA-256 of the metrics
    family: str  # processor family on which the run was finished

    @property
    def facts(self) -> dict[str, Any]:
        """The entry of this result in RECORD."""
        return {"total_steps": self.total_steps, "metrics_sha256": self.digest, "cpu_family": self.family}


def read_result(directory: Path) -> Result | None:
    """Return the facts of a run; None if it is not finished, or its last policy is not evaluated."""
    run = RunDirectory(directory)
    steps = run.held_steps()
    if not steps or not run.config_file.exists() or not run.evaluation_file(steps).exists():
        return None
    family = run.provenance["segments"][-1]["cpu_family"]
    return Result(run, run.provenance["config"], steps, file_digest(run.metrics_file), family)


def finished_runs(results: Path) -> list[str]:
    """Return the names MAP/ARM/seedK of all finished runs below `results`, the folder of a scale, sorted."""
    found = [file.parent for file in results.glob(f"runs/*/*/seed*/{RunDirectory(Path()).metrics_file.name}")]
    return sorted("/".join(place.parts[-3:]) for place in found if read_result(place))


def bring(source: Path, target: Path) -> list[str]:
    """Copy finished runs to another folder of results and return their names.

    The longer of two results of the same identity is kept. Usually the longer run extends the shorter one and has the
    same first rows. Otherwise the run was trained twice, and both digests are recorded in `merges.json`.

    Args:
        source: Folder of the scale's results in the other clone.
        target: Folder of the scale's results in this clone.

    Raises:
        UserError: Two results of the same identity and length differ, or two runs of the same name have different
            settings. Nothing has changed.
    """
    wanted, given_up, conflicts = [], [], []
    for name in finished_runs(source):
        theirs, mine = read_result(source / "runs" / name), read_result(target / "runs" / name)
        assert theirs is not None
        if mine is None:
            wanted.append(name)
        elif found := differences(theirs.config, mine.config):
            conflicts.append(f"{name} in {source} has {', '.join(found)} in {target}")
        elif theirs.digest == mine.digest:
            continue
        elif theirs.total_steps == mine.total_steps:
            steps = mine.total_steps
            conflicts.append(f"{name} has two different results of {steps} steps, in {source} and in {target}")
        else:
            shorter, longer = sorted((theirs, mine), key=lambda result: result.total_steps)
            if not _contains(longer, shorter):
                given_up.append({"run": name, "kept": longer.facts, "given_up": shorter.facts})
            if longer is theirs:
                wanted.append(name)
    if conflicts:
        raise UserError("; ".join(conflicts))
    for name in wanted:
        copy_run(source / "runs" / name, target / "runs" / name)
    _record(target / RECORD, given_up)
    return wanted


def _contains(longer: Result, shorter: Result) -> bool:
    """Return whether the longer run's metrics begin with all rows of the shorter one's."""
    whole, part = (result.run.read_metrics() for result in (longer, shorter))
    return bool(whole.iloc[: len(part)].equals(part))


def copy_run(source: Path, target: Path) -> None:
    """Copy a run directory with its newest checkpoint, replacing the previous one in a single step at the end."""
    beside, before = target.with_name(f"{BESIDE}new-{target.name}"), target.with_name(f"{BESIDE}old-{target.name}")
    for leftover in (beside, before):
        shutil.rmtree(leftover, ignore_errors=True)
    earlier = sorted(RunDirectory(source).checkpoint_folder.glob("t*.safetensors"))[:-1]
    shutil.copytree(source, beside, ignore=shutil.ignore_patterns(*LEFT_OUT, *(file.name for file in earlier)))
    if target.exists():
        target.rename(before)
    beside.rename(target)
    shutil.rmtree(before, ignore_errors=True)


def _record(file: Path, given_up: Sequence[dict[str, Any]]) -> None:
    held = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    new = [entry for entry in given_up if entry not in held]
    if new:
        write_json(file, held + new)
