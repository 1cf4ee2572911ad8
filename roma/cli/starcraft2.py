"""`roma starcraft2`: download and checks of StarCraft II and its maps."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from roma.cli.options import Parser
from roma.envs.starcraft2 import installation


def starcraft2(parser: Parser) -> None:
    """Add the actions of `roma starcraft2`."""
    parser.description = "Download StarCraft II and its maps, and check them."
    game = parser.add_subparsers(dest="action", required=True)
    fetch = game.add_parser(
        "fetch",
        help="download missing parts",
        description="Download the Linux version of the game and the maps to SC2PATH or, if it is not set, to the "
        "user's cache folder. Interrupted downloads resume, and archives with wrong checksums are refused.",
    )
    fetch.add_argument(
        "--version",
        default=installation.DEFAULT_VERSION,
        help=f"version of the game; default: {installation.DEFAULT_VERSION}, as in the paper",
    )
    fetch.add_argument(
        "--accept-licence", action="store_true", help="accept the licence of the game without a question"
    )
    fetch.add_argument("--accept-digest", metavar="SHA256", help="accept an archive without a published checksum")
    fetch.set_defaults(run=_fetch)
    doctor = game.add_parser("doctor", help="check all parts that the game needs; status 1 if one is missing")
    doctor.add_argument(
        "--report", type=Path, metavar="FILE", help="file for the result, written if nothing is missing"
    )
    doctor.set_defaults(run=_doctor)


def _fetch(options: argparse.Namespace) -> int:
    def accept(licence: str) -> bool:
        if options.accept_licence or not sys.stdin.isatty():
            return bool(options.accept_licence)
        print(f"The game comes under this licence: {licence}")
        return input(f"To accept it, type {installation.LICENCE_WORD}: ").strip() == installation.LICENCE_WORD

    folder = installation.fetch(options.version, accept, options.accept_digest, print)
    print(f"the game and its maps are in {folder}")
    if folder != installation.game_folder():
        print(f"to play this version: export SC2PATH={folder}")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    findings = installation.examine()
    for finding in findings:
        print(f"{'ok' if finding.good else 'MISSING':8}{finding.subject}: {finding.detail}")
    if not all(finding.good for finding in findings):
        return 1
    if options.report is not None:
        installation.write_report(findings, options.report)
    return 0
