"""Progress of a run: a progress bar on a terminal, log lines elsewhere and in train.log.

progress.json holds the progress and the speed, for commands that watch many runs.
"""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from roma.runs.directory import FORMAT
from roma.support.errors import UserError
from roma.support.files import DiskFullError, write_json

PULSE_SECONDS = 10.0  # between two updates of progress.json


class _BesideBar(logging.StreamHandler[TextIO]):
    """Handler that prints lines above the progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


class _File(logging.FileHandler):
    """Handler for a log file; a line that cannot be written, as on a full disk, is dropped."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (the name is logging's)
        pass


@contextmanager
def run_log(path: Path) -> Iterator[logging.Logger]:
    """Yield a logger that appends its lines to the file at `path` and prints them to standard error."""
    log = logging.getLogger("roma.run")
    log.setLevel(logging.INFO)
    log.propagate = False
    file = _File(path, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    screen = _BesideBar(sys.stderr)
    log.handlers = [file, screen]
    try:
        yield log
    except UserError as error:
        if error.attachment:
            log.error("%s\n%s", error, error.attachment)
        raise
    finally:
        log.handlers = []
        file.close()


class Bar:
    """Progress bar of environment steps with speed, time left and the last test win rate; silent without a terminal."""

    def __init__(self, done: int, total_steps: int) -> None:
        self._bar = tqdm(
            total=total_steps,
            initial=done,
            unit=" steps",
            unit_scale=True,
            smoothing=0.05,
            mininterval=0.5,
            disable=not sys.stderr.isatty(),
        )

    def advance(self, steps: int) -> None:
        self._bar.update(steps)

    def show_win_rate(self, win_rate: float) -> None:
        self._bar.set_postfix_str(f"test win rate {win_rate:.0%}")

    def close(self) -> None:
        self._bar.close()


class Pulse:
    """Context manager that keeps progress.json up to date.

    The file holds state, steps done, total steps, steps per second, processor family and time. The state is running,
    then finished, stopped (by a signal) or failed. If the file stops changing, the process was killed. The run goes on
    even if the file cannot be written.
    """

    def __init__(self, path: Path, done: int, total_steps: int, family: str) -> None:
        self._path, self._first, self._done, self._total_steps = path, done, done, total_steps
        self._family = family
        self._start = time.monotonic()

    def __enter__(self) -> "Pulse":
        self._write("running")
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        finished = self._done >= self._total_steps
        self._write("failed" if kind else "finished" if finished else "stopped")

    def beat(self, done: int) -> None:
        """Update the file with the environment steps done, at most every PULSE_SECONDS."""
        self._done = done
        if time.monotonic() - self._last >= PULSE_SECONDS:
            self._write("running")

    def _write(self, state: str) -> None:
        self._last = time.monotonic()
        rate = (self._done - self._first) / max(self._last - self._start, 1e-9)
        facts = {
            "format": FORMAT,
            "state": state,
            "t_env": self._done,
            "total_steps": self._total_steps,
            "steps_per_second": round(rate, 1),
            "cpu_family": self._family,
        }
        with suppress(OSError, DiskFullError):
            write_json(self._path, facts | {"time": time.time()})
