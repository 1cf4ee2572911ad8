"""Command line `roma`: one module for each group of subcommands, imported when one of them is called.

For each of its commands, a module has a function of the same name, which adds the options and sets the function to run.
User mistakes are reported before heavy imports.
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
from roma.support.system.owner import end_with_owner
from roma.support.system.streams import outlive_readers


class Group(NamedTuple):
    """Group of commands."""

    title: str
    module: str  # name of the module in this package
    commands: Mapping[str, str]  # one-line descriptions for `roma --help`, by command


GROUPS = (
    Group(
        "runs",
        "runs",
        {
            "train": "train one run, or resume it",
            "evaluate": "play greedy episodes with a policy of a finished run",
            "rollout": "record episodes of a finished run with roles",
            "measure": "measure the roles of a finished run",
            "settings": "list the settings of an algorithm",
        },
    ),
    Group(
        "the embedded engine",
        "engine",
        {
            "play": "record one episode and draw it",
            "calibrate": "compare the embedded engine with the StarCraft II runs released with SMAC",
            "compile": "compile the embedded engine, the actor and the learners, once for all runs on this machine",
        },
    ),
    Group("StarCraft II", "starcraft2", {"starcraft2": "download StarCraft II and its maps, and check them"}),
    Group(
        "results",
        "results",
        {
            "summarise": "summarise finished runs in tidy tables",
            "plot": "draw a figure, or write a table",
            "report": "write one HTML page with all figures, tables and claims",
            "video": "animate the episode that the figures show for a map, with roles as colours",
            "export": "write learning curves and final performance in marl-eval's JSON format",
        },
    ),
    Group(
        "the runs of a scale file, in a clone of the project",
        "scales",
        {
            "cost": "print the core-hours of a scale",
            "watch": "show the progress of the runs of a scale",
            "verify": "compare shipped runs with their checksums, and repeat a sample of them",
            "restore": "copy shipped runs into place",
            "track": "commit the finished results of a scale to DVC and git",
            "redraw": "draw the figures of a scale from its tracked summary, without training",
        },
    ),
    Group(
        "shipped runs, in a clone of the project",
        "compare",
        {"compare": "train your own arm, and draw it beside the shipped runs"},
    ),
    Group(
        "a long study, in a clone of the project",
        "campaign",
        {"campaign": "train a long study in the background, in a separate clone"},
    ),
    Group(
        "claims and generated pages, in a clone of the project",
        "pages",
        {
            "claims": "list the paper's claims, or simulate how often verdicts on them are right",
            "docs": "write the pages of docs that are generated from runs and code",
        },
    ),
)


def build_parser(command: str | None = None) -> Parser:
    """Return the parser of all commands.

    Args:
        command: The only command that gets its options; None: all commands get theirs, and all modules are imported.
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
        The exit status: 0; 1 if a check failed; 2 after a user's mistake; 128 + the number of the signal that stopped
        the command.
    """
    outlive_readers()
    end_with_owner()
    return exit_status(lambda: _run(sys.argv[1:] if arguments is None else arguments))


def _run(arguments: Sequence[str]) -> int:
    options = build_parser(arguments[0] if arguments else "").parse_args(arguments)
    status: int = options.run(options)
    return status
