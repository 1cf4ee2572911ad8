"""Training of a run in its directory: checks before it starts or resumes, and the end after a signal."""

import dataclasses
import signal
from collections.abc import Iterable, Sequence
from logging import Logger
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch

from roma import envs
from roma.runs import checkpoint
from roma.runs.config import MILESTONES, UNKNOWN, RunConfig, milestone_steps
from roma.runs.directory import RunDirectory
from roma.runs.loggers import Kind, Logs
from roma.runs.loop import Run
from roma.runs.progress import run_log
from roma.support.errors import UserError
from roma.support.files import DiskFullError
from roma.support.system.provenance import describe

if TYPE_CHECKING:
    import pandas as pd

# Signals of a user, of a closed terminal, and of a batch system at its time limit.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU)


class StopRequest:
    """Signal handler that remembers the first stop signal, so that the run can write a checkpoint before it ends.

    Terminals, shells, `timeout` and batch systems send their signals more than once. Therefore only a second SIGINT,
    which comes from a user, ends the process at once. A signal that was ignored from the start, as by `nohup`, stays
    ignored.
    """

    def __enter__(self) -> "StopRequest":
        self.signal: int | None = None
        self._previous: dict[int, Any] = {}
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def received(self) -> bool:
        """Return whether a stop signal has arrived."""
        return self.signal is not None

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal = number
        if number == signal.SIGINT:
            signal.signal(number, self._previous[number])


def train(
    config: RunConfig,
    directory: Path,
    total_steps: int,
    milestones: Iterable[int] = MILESTONES,
    device: str = "cpu",
    threads: int = 1,
    checkpoint_seconds: float = 120.0,
    replace: bool = False,
    wait: bool = False,
    same_family: bool = False,
    logs: Sequence[Kind] = (),
) -> int | None:
    """Train a run in its directory, resuming from its last checkpoint if there is one.

    A complete run with at least as many steps is not changed. A complete shorter run stays complete until the longer
    one replaces it, at the end and in one step.

    Args:
        config: Configuration of the run.
        directory: Run directory.
        total_steps: Total environment steps; the run ends with the round that reaches them.
        milestones: Environment steps at which the policy is kept; it is always kept at the end.
        device: Torch device of the learner.
        threads: Threads of torch.
        checkpoint_seconds: Seconds between checkpoints.
        replace: Overwrite a run of another identity in the directory.
        wait: Wait for another process that is writing the run.
        same_family: Start again if the run was begun on another processor family. The checkpoints of that family are
            kept until the run is complete.
        logs: Logs to write for other programs that show metrics.

    Returns:
        The number of the signal, one of STOP_SIGNALS, that stopped the run after a checkpoint; None without a signal.

    Raises:
        UserError: The directory holds another run, or an unfinished run with more steps than asked for; the run is
            damaged or being written by another process; its loss is not finite; the disk is full; a log cannot be
            begun.
    """
    torch.set_num_threads(threads)
    _check_device(device)
    if config.engine_version == UNKNOWN:  # the configuration was resolved before the engine was installed
        config = dataclasses.replace(config, engine_version=envs.engine_version(config.engine, config.map))
    files = RunDirectory(directory)
    checkpoints = files.checkpoint_folder
    with (
        checkpoint.only_writer(checkpoints, wait) as everywhere,
        run_log(files.log_file) as log,
        StopRequest() as stop,
    ):
        if not everywhere:
            log.warning("%s is on a file system without locks: do not write this run from another machine", directory)
        completed = files.completed_steps(config)
        if completed is not None and completed >= total_steps:
            log.info("nothing to do: %s is complete with %d environment steps", directory, completed)
            _log_tables(files, logs, log)
            return None
        engine_digest = envs.engine_digest(config.engine)
        if same_family:
            stored = checkpoint.of_family(checkpoints, config, describe()["cpu_family"], log)
        else:
            stored = checkpoint.newest(checkpoints, config, log)
        anew = completed is not None and (checkpoints / checkpoint.ELSEWHERE).is_dir()
        if stored is None and completed is not None and not anew:
            raise UserError(
                f"{directory} holds a complete run of {completed} environment steps but no checkpoint to go on from; "
                "remove it or choose another output folder"
            )
        if stored is None and not anew:
            other = files.other_run(config)
            if other and not replace:
                raise UserError(f"{directory} holds {other}; choose another folder (--out) or overwrite it (--replace)")
            if other:
                log.warning("%s held %s: STARTING AFRESH", directory, other)
            files.clear()
        elif stored is not None and total_steps <= stored.state.previous_t_env:
            raise UserError(
                f"the run in {directory} already has {stored.state.t_env} environment steps, more than the "
                f"{total_steps} asked for; ask for more steps or choose another output folder"
            )
        kept = milestone_steps(total_steps, milestones)
        run = Run(config, engine_digest, directory, total_steps, kept, device, threads, log, stored)
        try:
            with Logs(logs, files.viewer_folder, config, run.columns, run.state.started, log) as told:
                told.add_all(run.state.metrics, run.state.timing)
                run.play(stop.received, checkpoint_seconds, told.add)
            if run.at_end:
                run.finish()
                return None
        except DiskFullError as error:
            raise UserError(
                f"{error}, at {run.state.t_env} environment steps; once there is room the same command goes on from "
                "the last checkpoint"
            ) from None
        log.info("stopped by a signal at %d environment steps; the same command goes on from here", run.state.t_env)
        return stop.signal


def _log_tables(files: RunDirectory, logs: Sequence[Kind], log: Logger) -> None:
    """Write the logs of a complete run from its tables."""
    if not logs:
        return
    metrics, timing = files.read_metrics(), files.read_timing()
    rows, clocks = (_records(table) for table in (metrics, timing))
    with Logs(
        logs, files.viewer_folder, files.config, list(map(str, metrics)), files.provenance["started"], log
    ) as told:
        told.add_all(rows, clocks)


def _records(table: "pd.DataFrame") -> list[dict[str, float]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _check_device(device: str) -> None:
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device {device!r} cannot be used: {str(error).splitlines()[0]}") from None
