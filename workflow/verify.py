"""Which finished runs are trained again to see that they come out as recorded, and with which command."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.runs import found_runs
from roma.errors import UserError
from roma.runs.directory import RunDirectory
from workflow.grid import Run, results_folder
from workflow.identity import tracked

DEFAULT = {"runs": 3, "seed": 0}  # of a scale file's `verify`


def drawn(config: Mapping[str, Any]) -> list[str]:
    """Folders <map>/<arm>/seed<k> of the runs to verify: drawn at random, the same for the same seed and candidates.

    Candidates are the runs that DVC tracks or, where it tracks none, those that are finished here. UserError if there
    is none, or if one that was drawn is not here.
    """
    results = results_folder(config)
    candidates = sorted(tracked(results) or {run.path for run in found_runs(results)})
    if not candidates:
        raise UserError(f"there is no finished run in {results} to verify")
    choice = DEFAULT | config.get("verify", {})
    chosen = random.Random(choice["seed"]).sample(candidates, min(choice["runs"], len(candidates)))
    for directory in chosen:
        run = RunDirectory(directory)
        for file in (run.metrics_file, run.config_file, run.provenance_file):
            if not file.exists():
                raise UserError(f"{file} was drawn and is not here: dvc pull {file}")
    return ["/".join(directory.parts[-3:]) for directory in chosen]


def recorded(results: Path, map_name: str, arm: str, seed: int) -> Run:
    """Return a finished run as its own files describe it, whatever the scale file says now."""
    directory = RunDirectory(results / "runs" / map_name / arm / f"seed{seed}")
    return Run(map_name, arm, seed, directory.config, directory.last_step())
