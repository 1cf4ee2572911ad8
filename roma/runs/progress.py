"""What a person sees of a run: a bar on a terminal, plain lines elsewhere, the same lines in train.log.

Whoever watches a whole grid reads progress.json, which says how far the run is and how fast.
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

PULSE_SECONDS = 10.0  # between two writings of progress.json


class _BesideBar(logging.StreamHandler[TextIO]):
    """Handler that prints lines without tearing a bar apart."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


class _File(logging.FileHandler):
    """Handler for a log file; a line that cannot be written, as on a full disk, is left out."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (the name is logging's)
        pass


@contextmanager
def run_log(path: Path) -> Iterator[logging.Logger]:
    """A log whose lines go to the end of the file at `path` and to standard error."""
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
    """Environment steps done, their rate, the time left and the last test's win rate; silent without a terminal."""

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
    """Keeps progress.json up to date while its block lasts: state, steps done and asked for, steps a second, the
    family of processors, time.

    The state is running, then finished, stopped (by a signal) or failed. A pulse that stands still is of a process that
    was killed. Nothing depends on it: where it cannot be written the run goes on.
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
