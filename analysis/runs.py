"""Reading run directories: data/<engine>/<scale>/runs/<map>/<arm>/seed<k>."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from roma.config import from_flat
from roma.errors import UserError
from roma.outputs import rollout_path
from roma.rollout_file import Rollout, load


@dataclass(frozen=True)
class RunDirectory:
    path: Path
    map: str
    arm: str
    seed: int

    @property
    def identity(self) -> dict[str, str | int]:
        return {"map": self.map, "arm": self.arm, "seed": self.seed}

    def read_json(self, name: str) -> dict[str, Any]:
        return json.loads(self._existing(name).read_text())

    def read_metrics(self) -> pd.DataFrame:
        return pd.read_parquet(self._existing("metrics.parquet"))

    @property
    def has_roles(self) -> bool:
        return from_flat(self.read_json("config.json")).has_roles

    @property
    def rollout(self) -> Path:
        """Its recorded episodes, if it has roles."""
        return rollout_path(self.path)

    def read_rollout(self) -> Rollout:
        return load(self.rollout)

    def _existing(self, name: str) -> Path:
        file = self.path / name
        if not file.exists():
            raise UserError(f"{file} is missing: is the run finished?")
        return file


def expected_runs(root: Path, cells: Iterable[str], seeds: Sequence[int]) -> list[RunDirectory]:
    """The directories of the runs of these cells (`map/arm`) and seeds below `root`, in this order."""
    return [
        RunDirectory(root / "runs" / map_name / arm / f"seed{seed}", map_name, arm, seed)
        for map_name, arm in (cell.split("/") for cell in cells)
        for seed in seeds
    ]


def found_runs(root: Path) -> list[RunDirectory]:
    """All finished runs below `root`, sorted by map, arm and seed."""
    runs = []
    for metrics in (root / "runs").glob("*/*/seed*/metrics.parquet"):
        map_name, arm, seed = metrics.parent.parts[-3:]
        runs.append(RunDirectory(metrics.parent, map_name, arm, int(seed.removeprefix("seed"))))
    return sorted(runs, key=lambda run: (run.map, run.arm, run.seed))
