"""What a person sees of a run: a bar on a terminal, plain lines elsewhere, the same lines in train.log."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from roma.errors import UserError


class _BesideBar(logging.StreamHandler[TextIO]):
    """Prints lines without tearing a bar apart."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


@contextmanager
def run_log(path: Path) -> Iterator[logging.Logger]:
    """A log whose lines go to the end of the file at `path` and to standard error."""
    log = logging.getLogger("roma.run")
    log.setLevel(logging.INFO)
    log.propagate = False
    file = logging.FileHandler(path)
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

    def __init__(self, done: int, horizon: int) -> None:
        self._bar = tqdm(
            total=horizon,
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
