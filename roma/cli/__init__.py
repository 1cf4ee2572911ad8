"""The command `roma`. A group of subcommands is one module, which is imported when one of them is called.

Each of these modules has a function of the name of each of its commands, which adds the command's options and says what
it runs. User mistakes are found before anything heavy is imported.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NamedTuple

from roma import __version__
from roma.cli.options import Parser
from roma.support.errors import exit_status
from roma.support.owner import end_with_owner
from roma.support.streams import outlive_readers


class Group(NamedTuple):
    """A group of commands."""

    title: str
    module: str  # in this package
    commands: Mapping[str, str]  # with what `roma --help` says of each


GROUPS = (
    Group(
        "runs",
        "runs",
        {
            "train": "train one run, or go on with it",
            "evaluate": "play a finished run's policy greedily",
            "rollout": "record episodes of a finished run with roles",
            "measure": "measure the roles of a finished run",
            "settings": "list the settings of an algorithm",
        },
    ),
    Group(
        "the embedded engine",
        "engine",
        {
            "play": "record one battle and draw it",
            "calibrate": "compare the embedded engine with released runs on StarCraft II",
            "compile": "compile the embedded engine, the actor and the learners, once for all runs of this machine",
        },
    ),
    Group("the real game", "starcraft2", {"starcraft2": "fetch the real game and its maps, and check them"}),
    Group(
        "results",
        "results",
        {
            "summarise": "make the tidy tables of finished runs",
            "plot": "draw a figure, or write a table",
            "report": "put everything into one HTML page",
            "video": "animate the battle that figures show of a map, roles as colours",
            "export": "write learning curves and final performance in marl-eval's JSON",
        },
    ),
    Group(
        "a scale, in a clone of the project",
        "scales",
        {
            "cost": "say what a scale costs in core-hours",
            "watch": "see how far the runs of a scale are",
            "verify": "compare shipped runs with their checksums, train and play a sample again",
            "restore": "copy shipped runs into place",
            "track": "commit the finished results of a scale to DVC and git",
            "redraw": "draw the tracked summary of a scale again, without any training",
        },
    ),
    Group(
        "runs that ship, in a clone of the project",
        "compare",
        {"compare": "train an arm of yours, and draw it beside the runs that ship"},
    ),
    Group(
        "a long study, in a clone of the project",
        "campaign",
        {"campaign": "run a long study beside other work, in a clone of its own"},
    ),
    Group(
        "the paper and the pages of docs, in a clone of the project",
        "pages",
        {
            "claims": "list the paper's claims, or simulate how often verdicts on them are right",
            "docs": "write the pages of docs that are made from runs and code",
        },
    ),
)


def build_parser(command: str | None = None) -> Parser:
    """Return the parser of all commands.

    Args:
        command: The only one that gets its options; None: all get theirs, and their modules are imported.
    """
    parser = Parser(
        prog="roma",
        description="Train and evaluate ROMA and its baselines on SMAC maps.",
        epilog="\n\n".join(map(_listed, GROUPS)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"roma {__version__}")
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", help="one of the following; COMMAND --help lists its options"
    )
    for group in GROUPS:
        for name in group.commands:
            added = commands.add_parser(name)
            if command in (name, None):
                getattr(import_module(f"roma.cli.{group.module}"), name)(added)
    return parser


def _listed(group: Group) -> str:
    return "\n".join([f"{group.title}:", *(f"  {name:<12}{text}" for name, text in group.commands.items())])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0; 1 if what was checked is not as it should be; 2 after a user's mistake; 128 + the number of
        the signal that stopped the command.
    """
    outlive_readers()
    end_with_owner()
    return exit_status(lambda: _run(sys.argv[1:] if arguments is None else arguments))


def _run(arguments: Sequence[str]) -> int:
    options = build_parser(arguments[0] if arguments else "").parse_args(arguments)
    status: int = options.run(options)
    return status
