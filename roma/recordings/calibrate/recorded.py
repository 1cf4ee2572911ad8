"""Recorded runs of ours, read from the folders that `roma train --protocol smac_v1` wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roma import outputs
from roma.config import IDENTITY, resolve
from roma.envs import recorded_engine_version
from roma.errors import UserError

PROTOCOL = "smac_v1"  # the released runs'


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """Tests of one run, in the order of training. T is their number."""

    directory: Path
    map: str
    algorithm: str
    engine: str  # its name and the version of the map
    settings: tuple[str, ...]  # `key=value` of those that differ from this version's defaults
    seed: int
    test_interval: int  # environment steps
    n_battles: int  # played side by side in training
    t_env: NDArray[np.int64]  # (T,) environment steps
    win_rate: NDArray[np.float64]  # (T,) fraction
    returns: NDArray[np.float64]  # (T,) mean test return, of about 20

    @property
    def group(self) -> tuple[str, str, str, tuple[str, ...]]:
        """Identity without the seed: runs with the same one are pooled."""
        return self.map, self.algorithm, self.engine, self.settings


def find(places: Sequence[Path]) -> tuple[list[RecordedRun], list[Path]]:
    """Read all finished runs in and below these folders.

    Returns:
        The runs, sorted by group and seed, and the folders of runs that are not finished.

    Raises:
        UserError: a folder has no run, no run is finished, a run has another protocol than smac_v1, or two runs differ
            in nothing.
    """
    directories: list[Path] = []
    for place in places:
        found = sorted(config.parent for config in place.rglob(outputs.CONFIG))
        if not found:
            raise UserError(f"there is no run in or below {place}: no {outputs.CONFIG} was found")
        directories += [path for path in found if path.resolve() not in {known.resolve() for known in directories}]
    unfinished = [path for path in directories if not (path / outputs.METRICS).exists()]
    runs = [read(path) for path in directories if path not in unfinished]
    if not runs:
        raise UserError(f"none of these runs is finished: {', '.join(map(str, unfinished))}")
    runs.sort(key=lambda run: (*run.group, run.seed))
    for run, other in pairwise(runs):
        if (run.group, run.seed) == (other.group, other.seed):
            raise UserError(f"{run.directory} and {other.directory} hold the same run: leave one out")
    return runs, unfinished


def read(directory: Path) -> RecordedRun:
    """Read a finished run's folder; UserError if it is damaged or has another protocol than smac_v1."""
    import pyarrow.parquet as pq  # here, so that the command line does not wait for it

    try:
        config = json.loads((directory / outputs.CONFIG).read_text(encoding="utf-8"))
        provenance = json.loads((directory / outputs.PROVENANCE).read_text(encoding="utf-8"))
        table = pq.read_table(
            directory / outputs.METRICS, columns=["t_env", "test_battle_won_mean", "test_return_mean"]
        )
        if config["protocol"] != PROTOCOL:
            raise UserError(
                f"{directory} holds a run under protocol {config['protocol']!r}; the released runs are under "
                f"{PROTOCOL!r}, and curves of different protocols are not comparable"
            )
        return RecordedRun(
            directory=directory,
            map=config["map"],
            algorithm=config["algorithm"],
            engine=f"{config['engine']} version {recorded_engine_version(provenance)}",
            settings=differing_settings(config),
            seed=config["seed"],
            test_interval=config["test_interval"],
            n_battles=config["n_battles"],
            t_env=table["t_env"].to_numpy().astype(np.int64),
            win_rate=table["test_battle_won_mean"].to_numpy(),
            returns=table["test_return_mean"].to_numpy(),
        )
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"the run in {directory} cannot be read: {error}") from None


def differing_settings(config: dict[str, Any]) -> tuple[str, ...]:
    """Return `key=value` of a recorded configuration where it differs from this version's defaults.

    A setting that this version does not know is among them, so that runs recorded before it was removed can be read.
    """
    plain = json.loads(json.dumps(resolve(**{name: config[name] for name in IDENTITY}).flat()))
    return tuple(
        f"{key}={json.dumps(value)}" for key, value in sorted(config.items()) if key not in plain or plain[key] != value
    )
