"""Progress of a scale: numbers of runs by state, steps per second, time left, and the last log lines of failed runs.

    roma watch lab

It only reads files, so it works on any machine that sees the results, and at any time, even after the workflow's end.
`roma campaign status` and the screen of a workflow (`workflow.running.console`) show the same, in the same words.
"""

import json
import re
import select
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from textwrap import indent
from typing import Any

from roma.runs.directory import RunDirectory
from workflow.grid import Run, expand, results_folder
from workflow.scale import read_scale

SILENT_SECONDS = 120.0  # without an update of progress.json, after which a running run counts as killed
LAST_LINES = 3
TAIL_BYTES = 4096  # of a log, in which its last test is looked for
WIN_RATE = re.compile(rb"test win rate ([0-9.]+)")  # as a run's log tells it, see roma.runs.loop
STATES = ("done", "running", "failed", "waiting")
CLEAR = "\033[2J\033[H"


@dataclass(frozen=True)
class Status:
    """Status of one run."""

    run: str
    state: str  # done, running, failed or waiting
    done: int  # environment steps
    total_steps: int
    rate: float = 0.0  # environment steps a second
    reason: str = ""  # of failed runs
    win_rate: float | None = None  # of the last greedy test of a running run

    @property
    def left(self) -> int:
        return self.total_steps - self.done


def status(run: Run, results: Path, since: float | None = None) -> Status:
    """Return the status of a run.

    Args:
        run: The run.
        results: Folder of the scale's results.
        since: Start of the process that starts the runs, in seconds since 1970; infinity if it has ended. A run whose
            last sign of life is earlier is waiting. None if no such process is known: a run without a sign of life for
            SILENT_SECONDS has failed. Paused runs give no sign of life, either.
    """
    directory = RunDirectory(results / "runs" / run.directory)
    finished = directory.held_steps()
    if finished >= run.total_steps:
        return Status(run.directory, "done", run.total_steps, run.total_steps)
    log = results / "logs" / "train" / f"{run.directory}.log"
    heard = log.stat().st_mtime if log.exists() else 0.0
    said: dict[str, Any] = {
        "state": "finished" if finished else "running" if heard else "stopped",
        "t_env": finished or 0,
        "steps_per_second": 0.0,
        "time": 0.0,
    }
    with suppress(OSError, ValueError):
        said |= json.loads(directory.progress_file.read_text(encoding="utf-8"))
    heard = max(heard, said["time"])
    silent = time.time() - heard
    state = {"stopped": "waiting", "failed": "failed"}.get(said["state"], "running")
    if said["state"] == "finished" and finished:  # with fewer steps than are asked for now
        state = "waiting"
    reason = ""
    if state == "running" and since is not None and heard < since:
        state = "waiting"
    if state == "running" and since is None and silent > SILENT_SECONDS:
        state, reason = "failed", f"silent for {duration(silent)}: killed, perhaps"
    if state == "failed":
        said_last = last_lines(log) or last_lines(directory.log_file)
        reason = "\n".join(filter(None, (said_last, reason)))
    rate = said["steps_per_second"] if state == "running" else 0.0
    win_rate = last_win_rate(directory.log_file) if state == "running" else None
    return Status(run.directory, state, min(said["t_env"], run.total_steps), run.total_steps, rate, reason, win_rate)


def last_win_rate(log: Path) -> float | None:
    """Return the win rate of the last test in a run's log; None if there is none."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        told = WIN_RATE.findall(file.read())
        return float(told[-1]) if told else None
    return None


def last_lines(log: Path, number: int = LAST_LINES) -> str:
    """Return the last lines of a log; empty if there is no log."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return "\n".join(lines[-number:])


def overview(statuses: Sequence[Status]) -> str:
    """Return a report as text: counts, totals, a line for each running run, and the last log lines of failed runs."""
    lines = [counts(statuses), f"{totals(statuses)}, {time_left(statuses)} left"]
    return "\n".join([*lines, *running_lines(statuses), *failure_lines(statuses)])


def counts(statuses: Sequence[Status]) -> str:
    """Return how many runs are in each state."""
    count = Counter(each.state for each in statuses)
    return ", ".join(f"{count[state]} {state}" for state in STATES)


def share_done(statuses: Sequence[Status]) -> float:
    """Return the share of all environment steps that is done."""
    return 1 - sum(each.left for each in statuses) / sum(each.total_steps for each in statuses)


def totals(statuses: Sequence[Status]) -> str:
    """Return the share of all steps that is done, and the speed of all running runs together."""
    return f"{share_done(statuses):.1%} of all steps, {sum(each.rate for each in statuses):,.0f} steps/s"


def time_left(statuses: Sequence[Status]) -> str:
    """Return the time that all steps that are left take at the present speed of all running runs together."""
    return _time_left(sum(each.left for each in statuses), sum(each.rate for each in statuses))


def running_lines(statuses: Sequence[Status]) -> list[str]:
    """Return one line for each running run: its name, step of total, last win rate, speed and time left."""
    running = [each for each in statuses if each.state == "running"]
    name = max((len(each.run) for each in running), default=0)
    steps = max((len(f"{each.total_steps:,}") for each in running), default=0)
    return [
        f"  {each.run:<{name}} {each.done:>{steps},} of {each.total_steps:<{steps},} "
        f"win {'-' if each.win_rate is None else f'{each.win_rate:.0%}':>4} {each.rate:>6,.0f} steps/s "
        f"{_time_left(each.left, each.rate):>8} left"
        for each in running
    ]


def failure_lines(statuses: Sequence[Status]) -> list[str]:
    """Return what each failed run said last."""
    lines = []
    for each in statuses:
        if each.state == "failed":
            lines += [f"FAILED {each.run} at {each.done:,} steps", indent(each.reason, "  | ")]
    return lines


def _time_left(steps: int, rate: float) -> str:
    return duration(steps / rate) if rate else "unknown time"


def duration(seconds: float) -> str:
    """Return a time in hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))


def follow(scale: Path, seconds: float, once: bool) -> int:
    """Print the progress of a scale repeatedly, until all its runs are done or the reader of the output is gone.

    Args:
        scale: File of the scale.
        seconds: Seconds between two reports.
        once: Print a single report.

    Returns:
        1 if a run has failed, else 0.
    """
    config = read_scale(scale)
    runs = expand(config, str(scale)).runs.values()
    reader = select.poll()
    reader.register(1, 0)  # nothing but errors and hang-ups
    with suppress(KeyboardInterrupt):
        while True:
            statuses = [status(run, results_folder(config)) for run in runs]
            print((CLEAR if sys.stdout.isatty() else "") + overview(statuses), flush=True)
            failed = any(each.state == "failed" for each in statuses)
            if once or all(each.state == "done" for each in statuses) or reader.poll(1000 * seconds):
                return int(failed)
    return 0
