"""Logs of a run in the formats of other people's viewers: `roma train --log csv,tensorboard,wandb`.

A log holds the rows of metrics.parquet under the same names, which are PyMARL's, and the clocks of timing.parquet. It
is written into `viewers` of the run directory while the run goes on. Nothing reads it, and a run is the same without.

A run that goes on writes its logs anew from the rows that its checkpoint holds, so that no row is there twice and none
is missing, and a run that is complete already writes them from its tables.
"""

import csv
import math
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.util import find_spec
from logging import Logger
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from roma.runs.config import RunConfig
from roma.support.errors import UserError
from roma.support.files import digest

Kind = Literal["csv", "tensorboard", "wandb"]
Row = Mapping[str, float]
KINDS: tuple[Kind, ...] = get_args(Kind)
CLOCKS = ("wall_seconds", "env_steps_per_second")  # of timing.parquet's columns
PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb"}  # that a kind needs
PROJECT = "roma"  # of Weights & Biases
ID_LENGTH = 16


def require_packages(kinds: Sequence[Kind]) -> None:
    """Raise a UserError that says what to install if a package that one of the kinds needs is missing."""
    for kind in kinds:
        package = PACKAGES.get(kind)
        if package and find_spec(package) is None:
            raise UserError(
                f"--log {kind} needs the package {package}, which is not installed: "
                f"pip install -c constraints.txt -e '.[loggers]' in a clone of the project, else pip install {package}"
            )


class Log(Protocol):
    """One log: where it was before, it begins anew."""

    def __init__(self, folder: Path, config: RunConfig, columns: Sequence[str], started: str) -> None: ...

    def add(self, row: Row, moment: float) -> None:
        """Write a row, which has no NaN, of a moment in seconds since 1970."""

    def close(self) -> None:
        """Write what is not written yet."""


class CsvLog:
    """`metrics.csv`, a row for each test; what a row lacks is empty."""

    def __init__(self, folder: Path, config: RunConfig, columns: Sequence[str], started: str) -> None:
        self._file = (folder / "metrics.csv").open("w", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._file, [*columns, *CLOCKS])
        self._writer.writeheader()

    def add(self, row: Row, moment: float) -> None:
        """Write a row."""
        self._writer.writerow(row)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TensorBoardLog:
    """A folder of event files, for `tensorboard --logdir`: a scalar for each value, by environment step."""

    def __init__(self, folder: Path, config: RunConfig, columns: Sequence[str], started: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        place = folder / "tensorboard"
        shutil.rmtree(place, ignore_errors=True)
        self._writer = SummaryWriter(str(place))

    def add(self, row: Row, moment: float) -> None:
        """Write a row."""
        for name, value in row.items():
            self._writer.add_scalar(name, value, int(row["t_env"]), moment)
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()


class WandbLog:
    """An offline run of Weights & Biases, which `wandb sync` uploads to whoever wants it on the web.

    It is never online, so that no account is asked for. Its id is that of the run and of its first start: what is
    uploaded after a run went on takes the place of what was uploaded before.
    """

    def __init__(self, folder: Path, config: RunConfig, columns: Sequence[str], started: str) -> None:
        import wandb

        shutil.rmtree(folder / "wandb", ignore_errors=True)
        self._run = wandb.init(
            mode="offline",
            dir=str(folder),
            project=PROJECT,
            name=f"{config.map}/{config.algorithm}/seed{config.seed}",
            group=f"{config.map}/{config.algorithm}",
            id=digest(f"{config.digest} {started}".encode())[:ID_LENGTH],
            config=config.to_json(),
            settings=wandb.Settings(silent=True, disable_git=True, disable_code=True, console="off"),
        )
        self._run.define_metric("*", step_metric="t_env")

    def add(self, row: Row, moment: float) -> None:
        """Write a row."""
        self._run.log(dict(row), step=int(row["t_env"]))

    def close(self) -> None:
        """Finish the offline run."""
        self._run.finish()


CLASSES: Mapping[Kind, type[Log]] = {"csv": CsvLog, "tensorboard": TensorBoardLog, "wandb": WandbLog}


class Logs:
    """The logs that were asked for, as a context.

    Args:
        kinds: Which logs.
        folder: Where they are written; made if there are any.
        config: Configuration of the run.
        columns: The names of all values of its rows.
        started: When the run was begun, in ISO format.
        log: The run's own log, for what goes wrong.

    Raises:
        UserError: A log cannot be begun.
    """

    def __init__(
        self,
        kinds: Sequence[Kind],
        folder: Path,
        config: RunConfig,
        columns: Sequence[str],
        started: str,
        log: Logger,
    ) -> None:
        self._open: dict[Kind, Log] = {}
        self._began, self._log = datetime.fromisoformat(started).timestamp(), log
        for kind in dict.fromkeys(kinds):
            try:
                folder.mkdir(exist_ok=True)
                self._open[kind] = CLASSES[kind](folder, config, columns, started)
            except Exception as error:  # of other people's libraries
                self.close()
                raise UserError(f"--log {kind}: {error}") from error

    def __enter__(self) -> "Logs":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def add(self, row: Row, clocks: Row) -> None:
        """Write a row of metrics and its row of clocks. A log that cannot be written ends; the run goes on."""
        values = {name: value for name, value in row.items() if not math.isnan(value)}
        values |= {name: clocks[name] for name in CLOCKS}
        self._each("add", values, self._began + clocks["wall_seconds"])

    def add_all(self, rows: Sequence[Row], clocks: Sequence[Row]) -> None:
        """Write the rows that there are already."""
        for row, clock in zip(rows, clocks, strict=True):
            self.add(row, clock)

    def close(self) -> None:
        """Write what is not written yet."""
        self._each("close")
        self._open = {}

    def _each(self, action: str, *arguments: Any) -> None:
        for kind, each in list(self._open.items()):
            try:
                getattr(each, action)(*arguments)
            except Exception as error:  # of other people's libraries
                self._log.warning("the log %s ends here: %r; --log writes it anew when the run goes on", kind, error)
                del self._open[kind]
