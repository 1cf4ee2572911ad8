"""`roma compare`: an arm of the reader's beside the runs that ship, in a clone."""

from __future__ import annotations

import argparse
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING

from roma.cli.options import Parser, add_settings, clone, positive, require_folder
from roma.runs.config import parse_assignments
from roma.runs.protocols import PRESETS
from roma.support.errors import UserError
from roma.support.files import make_writable_directory
from roma.support.schemas.structure import Name, convert

if TYPE_CHECKING:
    from workflow.compare import Arm


def compare(parser: Parser) -> None:
    """Add the options of `roma compare`."""
    parser.description = (
        "Train your own arm, or take finished runs of it, and draw it beside the shipped runs of the same map and "
        "protocol: learning curves, interquartile means and probabilities of improvement. Only your arm is trained. "
        "After an interruption, the same command resumes. With more seeds or steps, it trains what is missing."
    )
    parser.add_argument("arm", metavar="MY_ARM", help="a name for your arm, or an algorithm without shipped runs")
    parser.add_argument("--map", required=True, help="name of a map with shipped runs, such as 10m_vs_11m")
    parser.add_argument("--algorithm", help="name of an algorithm; default: MY_ARM")
    parser.add_argument("--protocol", help=f"one of {', '.join(PRESETS)}; default: paper")
    add_settings(parser)
    parser.add_argument("--scale", metavar="SCALE", help="name or file of a scale in which MY_ARM is an arm")
    parser.add_argument("--seeds", help="number of runs to train, with seeds from 0; default: 3")
    parser.add_argument("--steps", help="environment steps of each run; default: those of the longest shipped run")
    parser.add_argument("--cores", help="runs trained in parallel; default: one per core")
    parser.add_argument(
        "--runs", nargs="+", type=Path, metavar="RUN_DIR", help="finished runs of the arm; nothing is trained"
    )
    parser.add_argument(
        "--beside", nargs="+", metavar="ARM", help="shipped arms to compare with; default: all of the map and protocol"
    )
    parser.add_argument("--out", type=Path, help="folder of the figures; default: figures/embedded/compare_ARM_MAP")
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    seeds = None if options.seeds is None else positive("--seeds", options.seeds)
    steps = None if options.steps is None else positive("--steps", options.steps)
    cores = None if options.cores is None else positive("--cores", options.cores)
    convert(options.arm, Name, "MY_ARM")
    _refuse(options, "--runs", ("algorithm", "protocol", "set", "scale", "seeds", "steps", "cores"))
    _refuse(options, "--scale", ("algorithm", "protocol"))
    place = clone("roma compare")
    for folder in options.runs or ():
        require_folder(folder)
    out = None if options.out is None else options.out.absolute()
    if out is not None:
        make_writable_directory(out)
    arm = _arm(options)
    with chdir(place):
        from workflow import compare

        print(compare.compare(place, arm, out, seeds or compare.SEEDS, steps, options.beside, str(cores or "all")))
    return 0


def _arm(options: argparse.Namespace) -> Arm:
    from workflow import compare
    from workflow.cost import scale_file

    if options.runs:
        return compare.arm_of_runs(options.arm, options.map, [folder.absolute() for folder in options.runs])
    overrides = parse_assignments(options.set)
    if options.scale:
        file = Path(options.scale) if options.scale.endswith(".yaml") else scale_file(options.scale)
        return compare.arm_of_scale(options.arm, options.map, file, overrides)
    return compare.arm_to_train(options.arm, options.map, options.algorithm, options.protocol, overrides)


def _refuse(options: argparse.Namespace, option: str, others: tuple[str, ...]) -> None:
    """Raise a UserError if an option is given with another one that it makes meaningless."""
    given = [f"--{name}" for name in others if getattr(options, name)]
    if getattr(options, option.removeprefix("--")) and given:
        raise UserError(f"{', '.join(given)} cannot be given with {option}, which says what was trained and how")
