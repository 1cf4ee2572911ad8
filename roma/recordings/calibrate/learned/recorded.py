"""Our training runs, read from the folders that `roma train --protocol smac_v1` wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roma.runs.config import NAMES, resolve, settings_of
from roma.runs.directory import RunDirectory
from roma.support.errors import UserError

PROTOCOL = "smac_v1"  # protocol of the released runs


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """Tests of one of our runs; T is their number."""

    directory: Path
    map: str
    algorithm: str
    engine: str  # name of the engine and its version on the map
    settings: tuple[str, ...]  # `key=value` of the settings that differ from this version's defaults
    seed: int
    test_interval: int  # environment steps
    n_battles: int  # training episodes played in parallel
    t_env: NDArray[np.int64]  # (T,) environment steps
    win_rate: NDArray[np.float64]  # (T,) fraction
    returns: NDArray[np.float64]  # (T,) mean test return; the largest possible return is about 20

    @property
    def group(self) -> tuple[str, str, str, tuple[str, ...]]:
        """Identity without the seed; runs of equal groups are pooled."""
        return self.map, self.algorithm, self.engine, self.settings


def find(places: Sequence[Path]) -> tuple[list[RecordedRun], list[Path]]:
    """Read all finished runs in and below these folders.

    Returns:
        The runs, sorted by group and seed, and the folders of runs that are not finished.

    Raises:
        UserError: A folder has no run, no run is finished, the protocol of a run is not smac_v1, or two runs are the
            same.
    """
    directories: list[Path] = []
    for place in places:
        name = RunDirectory(place).config_file.name
        found = sorted(config.parent for config in place.rglob(name))
        if not found:
            raise UserError(f"there is no run in or below {place}: no {name} was found")
        directories += [path for path in found if path.resolve() not in {known.resolve() for known in directories}]
    unfinished = [path for path in directories if not RunDirectory(path).metrics_file.exists()]
    runs = [read(path) for path in directories if path not in unfinished]
    if not runs:
        raise UserError(f"none of these runs is finished: {', '.join(map(str, unfinished))}")
    runs.sort(key=lambda run: (*run.group, run.seed))
    for run, other in pairwise(runs):
        if (run.group, run.seed) == (other.group, other.seed):
            raise UserError(f"{run.directory} and {other.directory} hold the same run: leave one out")
    return runs, unfinished


def read(directory: Path) -> RecordedRun:
    """Read a finished run.

    Raises:
        UserError: The run is damaged, or its protocol is not smac_v1.
    """
    import pyarrow.parquet as pq  # imported here, so that the command line does not wait for it

    try:
        run = RunDirectory(directory)
        config = run.read_json(run.config_file)
        table = pq.read_table(run.metrics_file, columns=["t_env", "test_battle_won_mean", "test_return_mean"])
        if config["protocol"] != PROTOCOL:
            raise UserError(
                f"{directory} holds a run under protocol {config['protocol']!r}; the released runs are under "
                f"{PROTOCOL!r}, and curves of different protocols are not comparable"
            )
        return RecordedRun(
            directory=directory,
            map=config["map"],
            algorithm=config["algorithm"],
            engine=f"{config['engine']} version {config['engine_version']}",
            settings=differing_settings(config),
            seed=config["seed"],
            test_interval=config["protocol_settings"]["test_interval"],
            n_battles=config["protocol_settings"]["parallel_envs"],
            t_env=table["t_env"].to_numpy().astype(np.int64),
            win_rate=table["test_battle_won_mean"].to_numpy(),
            returns=table["test_return_mean"].to_numpy(),
        )
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"the run in {directory} cannot be read: {error}") from None


def differing_settings(described: dict[str, Any]) -> tuple[str, ...]:
    """Return the settings of a recorded configuration that differ from this version's defaults, as `key=value`.

    Settings that no longer exist are included, so that older runs can be read.
    """
    plain = settings_of(resolve(**{name: described[name] for name in NAMES}).to_json())
    return tuple(
        f"{key}={json.dumps(value)}"
        for key, value in sorted(settings_of(described).items())
        if key not in plain or plain[key] != value
    )
