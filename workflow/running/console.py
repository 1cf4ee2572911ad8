"""The screen of a workflow at work: a bar for the grid, a line for each job under way, failures in full.

On a terminal the bar and the lines stand below all messages and are renewed every second. Elsewhere, as in the log of
a campaign or of continuous integration, each job has a line when it starts and one when it ends. Snakemake's own
messages, with the reason of each job and all names of files, are in its log below `.snakemake/log`, and on the screen
with --dry-run, --printshellcmds, --verbose and --debug-dag.

Runs are described by `workflow.watch`, whose numbers `roma watch` and `roma campaign status` show as well.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from snakemake.logging import logger as snakemake_log
from snakemake_interface_logger_plugins.common import LogEvent

from roma.runs.directory import RunDirectory
from workflow import watch
from workflow.grid import Run

REPLACED = "DefaultStreamHandler"  # Snakemake's name of the handler that writes on the screen
REFRESH_SECONDS = 1.0
LOOKS_SHARE = 20  # times the duration of a look at all running runs passes before the next one
BAR_WIDTH = 30
OTHER_LINES = 4  # of a terminal's lines, which are kept free of jobs
FAILED_LINES = 20  # of a failed job's log
TRAIN = "train"  # the rule whose jobs are runs
# Messages without an event that tell a reader nothing, or what the lines of the jobs tell: their beginnings.
CHATTER = (
    "Assuming unrestricted shared filesystem usage",
    "Using shell:",
    "Conda environments:",
    "Singularity containers:",
    "Group jobs:",
    "Select jobs to execute",
    "Trying to restart job",
    "Removing output files of failed job",
    "Cannot restore",
    "Restored previous version",
)
# Events that tell the same.
UNSHOWN = (LogEvent.WORKFLOW_STARTED, LogEvent.RESOURCES_INFO, LogEvent.JOB_STARTED, LogEvent.SHELLCMD)


@dataclass
class Job:
    """A job under way.

    Attributes:
        label: What it does, by the message of its rule.
        logs: Its log files.
        run: The run that it trains, if it trains one.
        began: Time of its start, on the monotonic clock.
        ended: How it ended, if Snakemake said so, such as "exit status 2".
    """

    label: str
    logs: Sequence[str]
    run: Run | None
    began: float = field(default_factory=time.monotonic)
    ended: str = ""

    @property
    def seconds(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.began


class Screen(logging.Handler):
    """Handler of Snakemake's messages that keeps the screen.

    A screen that can no longer be written, as of a terminal that was closed, is left alone: the work goes on.

    Args:
        runs: All runs of the grid.
        results: The folder of the scale.
        stream: Where the screen is.
        colour: Whether colours are wanted.
    """

    def __init__(self, runs: Sequence[Run], results: Path, stream: TextIO, colour: bool = True) -> None:
        super().__init__(logging.INFO)
        self._runs, self._results, self._stream = {run.key: run for run in runs}, results, stream
        self._standings: dict[tuple[str, str, int], watch.Status] = {}
        self._jobs: dict[int, Job] = {}
        self._failures: dict[int, int] = {}  # how often each job has failed
        self._done, self._total, self._trains = 0, 0, False
        self._since = time.time()
        self._live: Live | None = None
        self._ended = threading.Event()
        self._console = Console(file=stream, no_color=not colour, highlight=False, markup=False, soft_wrap=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Show what a message of Snakemake tells, if it tells a reader anything."""
        try:
            self._show(record)
        except OSError:
            self._ended.set()
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Leave of the bar and the lines how much is done."""
        self._ended.set()
        if self._live is not None:
            with suppress(OSError):
                self._live.stop()
                self._say(self._summary(self._done))
            self._live = None
        super().close()

    def _show(self, record: logging.LogRecord) -> None:
        event, facts = getattr(record, "event", None), record.__dict__
        if event == LogEvent.RUN_INFO:
            self._plan(facts["stats"])
        elif event == LogEvent.JOB_INFO:
            self._start(facts)
        elif event == LogEvent.JOB_FINISHED:
            self._finish(facts["job_id"])
        elif event == LogEvent.JOB_ERROR:
            self._fail(facts)
        elif event == LogEvent.PROGRESS:
            self._done, self._total = facts["done"], facts["total"]
        elif event not in UNSHOWN:
            self._say_other(record)

    def _plan(self, stats: Mapping[str, int]) -> None:
        self._total, self._trains = stats["total"], TRAIN in stats
        self._standings = {key: watch.status(run, self._results, self._since) for key, run in self._runs.items()}
        self._say(f"{self._total} jobs: {', '.join(f'{n} {rule}' for rule, n in stats.items() if rule != 'total')}")

    def _start(self, facts: Mapping[str, Any]) -> None:
        number, names = facts["jobid"], facts["wildcards"]
        if not facts["rule_msg"]:  # a target, which does nothing
            return
        run = self._runs[names["map"], names["arm"], int(names["seed"])] if facts["rule_name"] == TRAIN else None
        job = self._jobs[number] = Job(facts["rule_msg"], facts["log"], run)
        if not self._stream.isatty():
            failures = self._failures.get(number, 0)
            self._say(f"started: {job.label}{f', attempt {failures + 1}' if failures else ''}")
        elif self._live is None:
            self._live = Live(self._picture(), console=self._console, auto_refresh=False, transient=True)
            self._live.start()
            self._console.show_cursor(True)  # who is killed leaves the terminal as it is
            threading.Thread(target=self._keep_fresh, daemon=True).start()

    def _finish(self, number: int) -> None:
        job = self._jobs.pop(number, None)
        if job is None:
            return
        words = f"finished: {job.label}, after {watch.duration(job.seconds)}"
        if job.run is not None:
            self._look(job.run)
            win_rate = watch.last_win_rate(RunDirectory(self._results / "runs" / job.run.directory).log_file)
            words += "" if win_rate is None else f", win rate {win_rate:.0%}"
        if not self._stream.isatty():
            self._look_at_all()
            self._say(f"{words}; {self._summary(self._done + 1)}")
        elif job.run is not None:
            self._say(words)

    def _fail(self, facts: Mapping[str, Any]) -> None:
        number = facts["jobid"]
        job = self._jobs.pop(number, None) or Job(facts["rule_name"], facts["log"], None)
        self._failures[number] = self._failures.get(number, 0) + 1
        logs = facts["log"] or job.logs
        said = []
        for log in logs:
            with suppress(OSError):  # a log that cannot be read hides no failure
                said.append(indent(watch.last_lines(Path(log), FAILED_LINES), "    | "))
        where = f": see {' '.join(map(str, logs))}" if logs else ""
        how = "; ".join(filter(None, [job.ended, *(f"{name} {fact}" for name, fact in facts["aux"].items())]))
        self._say("\n".join(filter(None, [f"FAILED: {job.label}{f' ({how})' if how else ''}{where}", *said])))

    def _say_other(self, record: logging.LogRecord) -> None:
        """Show a message about no job, or remember how the command of a job ended."""
        text = self.format(record)
        if not text or text.startswith(CHATTER):
            return
        if "CalledProcessError" in text:
            command, _, ended = text.rpartition("' ")
            for job in self._jobs.values():
                if any(log in command for log in job.logs):
                    job.ended = ended.strip().removeprefix("returned non-zero ").rstrip(".")
                    return
        self._say(text)

    def _say(self, text: str) -> None:
        """Print lines, on a terminal above the bar."""
        if self._stream.isatty():
            self._console.print(text)
        else:
            moment = time.strftime("%Y-%m-%d %H:%M:%S")
            print(f"{moment} {text}", file=self._stream, flush=True)

    def _keep_fresh(self) -> None:
        """Renew the bar and the lines every second until the screen is closed."""
        took = 0.0
        while not self._ended.wait(max(REFRESH_SECONDS, LOOKS_SHARE * took)):
            began = time.monotonic()
            self.acquire()
            try:
                live = self._live
                self._look_at_all()
                picture = self._picture()
            finally:
                self.release()
            took = time.monotonic() - began
            with suppress(OSError):
                if live is not None:
                    live.update(picture, refresh=True)

    def _look(self, run: Run) -> None:
        self._standings[run.key] = watch.status(run, self._results, self._since)

    def _look_at_all(self) -> None:
        """Look at all runs that are being trained."""
        for job in self._jobs.values():
            if job.run is not None:
                self._look(job.run)

    def _summary(self, done: int) -> str:
        """Return how much of the grid and of all jobs is done, and the time left as far as it is known."""
        words = f"{done} of {self._total} jobs"
        if not self._trains:
            return words
        standings = list(self._standings.values())
        finished = sum(each.state == "done" for each in standings)
        words = f"{finished} of {len(standings)} runs, {words}, {watch.share_done(standings):.1%} of all steps"
        left = watch.time_left(standings)
        return f"{words}, {left} left" if any(each.rate for each in standings) else words

    def _picture(self) -> RenderableType:
        """Return the bar and the lines."""
        share = watch.share_done(list(self._standings.values())) if self._trains else self._done / max(self._total, 1)
        failed = f", {len(self._failures)} failed" if self._failures else ""
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(1.0, share, BAR_WIDTH), Text(f"{self._summary(self._done)}{failed}"))
        lines = self._lines()
        room = max(1, self._console.height - OTHER_LINES)
        hidden = [f"  and {len(lines) - room} more"] if len(lines) > room else []
        below = Text("\n".join([*lines[:room], *hidden]), no_wrap=True, overflow="ellipsis")
        return Group(bar, below)

    def _lines(self) -> list[str]:
        """Return a line for each job under way: runs as `roma watch` shows them, then the others."""
        standings = [self._standings[job.run.key] for job in self._jobs.values() if job.run is not None]
        silent = {each.run for each in standings if each.state != "running"}
        others = [job for job in self._jobs.values() if job.run is None or job.run.directory in silent]
        return [
            *watch.running_lines(standings),
            *(f"  {job.label}, for {watch.duration(job.seconds)}" for job in others),
        ]


def take_the_screen(workflow: Any, runs: Sequence[Run], results: Path) -> None:
    """Put a Screen in the place of the handler with which Snakemake writes on the screen.

    Snakemake's handler stays where the user asks for details, and where another one was chosen by --logger.

    Args:
        workflow: Snakemake's workflow.
        runs: All runs of the grid.
        results: The folder of the scale.
    """
    settings = workflow.output_settings
    if settings.dryrun or settings.verbose or settings.printshellcmds or settings.debug_dag:
        return
    logging.raiseExceptions = False  # otherwise each line of a log file on a full disk is a traceback on the screen
    for handler in snakemake_log.handlers:
        if isinstance(handler, logging.StreamHandler) and handler.name == REPLACED:
            screen = Screen(runs, results, handler.stream, colour=not settings.nocolor)
            screen.setFormatter(handler.formatter)
            for each in handler.filters:
                screen.addFilter(each)
            snakemake_log.addHandler(screen)
            snakemake_log.removeHandler(handler)
