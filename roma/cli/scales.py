"""`roma cost`, `watch`, `verify`, `restore`, `track` and `redraw`: commands for a whole scale, in a clone."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from roma.cli.options import Parser, clone
from roma.support.errors import UserError, unknown

SCALE = "name of a scale, such as lab, or its file"


def cost(parser: Parser) -> None:
    """Add the options of `roma cost`."""
    parser.description = (
        "Print the core-hours for training all runs of a scale, computed from the speeds in workflow/cost.csv, and the "
        "processor on which the speeds were measured."
    )
    parser.add_argument("scale", metavar="SCALE", help="name of a file in workflow/config, such as lab")
    parser.set_defaults(run=_cost)


def _cost(options: argparse.Namespace) -> int:
    clone("roma cost")

    from workflow import cost

    print(cost.report(options.scale, cost.read_speeds()))
    return 0


def watch(parser: Parser) -> None:
    """Add the options of `roma watch`."""
    parser.description = (
        "Print the numbers of finished, running, failed and waiting runs of a scale, steps per second, the time left, "
        "and the last log lines of failed runs. The command only reads files, so it works at any time and from any "
        "machine that sees them."
    )
    _add_scale(parser)
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds between two updates; default: 5")
    parser.add_argument("--once", action="store_true", help="print once and exit, with status 1 if a run has failed")
    parser.set_defaults(run=_watch)


def _watch(options: argparse.Namespace) -> int:
    with _scale_in_clone("roma watch", options.scale) as scale:
        from workflow.watch import follow

        return follow(scale, options.seconds, options.once)


def verify(parser: Parser) -> None:
    """Add the options of `roma verify`."""
    parser.description = (
        "Compare shipped runs with their checksums, repeat the first training steps of some of them, and repeat the "
        "final evaluations of others from their weights. The exit status is 1 if anything differs from the recording."
    )
    parser.add_argument("scale", metavar="SCALE", nargs="?", help=f"{SCALE}; default: study")
    parser.add_argument("--seed", type=int, help="seed of the random choice of runs; default: a new one each time")
    parser.add_argument(
        "--runs",
        nargs="+",
        metavar="N|MAP/ARM/seedK",
        help="number of runs to train again, or names of runs to train and to evaluate again; default: 3",
    )
    parser.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    with _scale_in_clone("roma verify", options.scale) as scale:
        from workflow.scale import read_scale
        from workflow.verify import verify

        return int(verify(read_scale(scale), options.seed, options.runs) > 0)


def restore(parser: Parser) -> None:
    """Add the options of `roma restore`."""
    parser.description = (
        "Copy runs that ship with the repository into place. `make figures` does this, too. If nothing is installed, "
        "`python workflow/artifacts/shipping.py MAP/ARM/seedK` does the same."
    )
    parser.add_argument("runs", nargs="*", metavar="MAP/ARM/seedK", help="runs to copy; default: all that ship")
    parser.add_argument("--scale", help="name of a scale; default: study")
    parser.set_defaults(run=_restore)


def _restore(options: argparse.Namespace) -> int:
    place = clone("roma restore")

    from workflow.artifacts import shipping

    shipped = shipping.read_shipped(place, options.scale or shipping.STUDY)
    for name in options.runs or shipped:
        if name not in shipped:
            raise unknown("shipped run", name, shipped)
        try:
            shipping.restore(place, shipped[name])
        except ValueError as error:
            raise UserError(str(error)) from None
        print(f"{place / shipped[name].path} is in place")
    return 0


def track(parser: Parser) -> None:
    """Add the options of `roma track`."""
    parser.description = (
        "Commit the finished results of a scale to DVC and git, and push them to the remotes that are configured."
    )
    _add_scale(parser)
    parser.set_defaults(run=_track)


def _track(options: argparse.Namespace) -> int:
    with _scale_in_clone("roma track", options.scale) as scale:
        from workflow.artifacts import tracking

        tracking.track(scale)
    return 0


def redraw(parser: Parser) -> None:
    """Add the options of `roma redraw`."""
    parser.description = (
        "Restore the tracked summary of a scale, draw its figures and write its report. Nothing is trained, and "
        "neither DVC nor git is needed."
    )
    _add_scale(parser)
    parser.set_defaults(run=_redraw)


def _redraw(options: argparse.Namespace) -> int:
    with _scale_in_clone("roma redraw", options.scale) as scale:
        from workflow.artifacts import tracking

        tracking.redraw(scale)
    return 0


def _add_scale(parser: Parser) -> None:
    parser.add_argument("scale", metavar="SCALE", help=SCALE)


@contextmanager
def _scale_in_clone(command: str, named: str | None) -> Iterator[Path]:
    """Change to the clone of the project for the duration of the block, and yield the file of a scale.

    The path is relative to the clone if the file lies in it.

    Args:
        command: Command that needs the clone, such as `roma watch`.
        named: Name or file of the scale; None: the study, whose runs ship.
    """
    place = clone(command)

    from workflow.artifacts.shipping import STUDY
    from workflow.cost import scale_file

    text = named or STUDY
    file = Path(text).resolve() if text.endswith(".yaml") else scale_file(text)
    with chdir(place):
        yield file.relative_to(place) if file.is_relative_to(place) else file
