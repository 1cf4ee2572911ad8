"""Which finished runs are trained again to see that they come out as recorded, and with which command."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from roma import outputs
from roma.config import from_flat
from roma.errors import UserError
from workflow.grid import Run, results_folder

DEFAULT = {"runs": 3, "seed": 0}  # of a scale file's `verify`


def drawn(config: Mapping[str, Any]) -> list[str]:
    """Folders <map>/<arm>/seed<k> of the runs to verify: drawn at random, the same for the same seed and candidates.

    Candidates are the runs that DVC tracks or, where it tracks none, those that are finished here. UserError if there
    is none, or if one that was drawn is not here.
    """
    results = results_folder(config)
    candidates = sorted(tracked(results) or {path.parent for path in results.glob(f"runs/*/*/seed*/{outputs.METRICS}")})
    if not candidates:
        raise UserError(f"there is no finished run in {results} to verify")
    choice = DEFAULT | config.get("verify", {})
    chosen = random.Random(choice["seed"]).sample(candidates, min(choice["runs"], len(candidates)))
    for directory in chosen:
        for name in (outputs.METRICS, outputs.CONFIG, outputs.PROVENANCE):
            if not (directory / name).exists():
                raise UserError(f"{directory / name} was drawn and is not here: dvc pull {directory / name}")
    return ["/".join(directory.parts[-3:]) for directory in chosen]


def tracked(results: Path) -> set[Path]:
    """Folders of the runs whose metrics are in the dvc.yaml of this scale."""
    file = results / "dvc.yaml"
    stages = yaml.safe_load(file.read_text())["stages"] if file.exists() else {}
    outs = [Path(name) for output in stages.get("metrics", {}).get("outs", []) for name in output]
    return {path.parent for path in outs if path.name == outputs.METRICS}


def recorded(results: Path, map_name: str, arm: str, seed: int) -> Run:
    """A finished run as its own files describe it, whatever the scale file says now."""
    directory = results / "runs" / map_name / arm / f"seed{seed}"
    config = from_flat(json.loads((directory / outputs.CONFIG).read_text()))
    provenance = json.loads((directory / outputs.PROVENANCE).read_text())
    return Run(map_name, arm, seed, config, provenance["steps"])
