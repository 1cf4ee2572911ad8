"""`roma claims` and `docs`: the paper's claims, and pages of docs that are generated from runs and code, in a clone."""

from __future__ import annotations

import argparse
from contextlib import chdir
from pathlib import Path

from roma.cli.options import Parser, clone, positive, require_folder
from roma.support.errors import UserError
from roma.support.files import make_writable_directory


def claims(parser: Parser) -> None:
    """Add the options of `roma claims`."""
    parser.description = (
        "Print the claims of analysis/claims.yaml with their questions; claims that are only reported as estimates are "
        "marked. With --simulate, judge simulated studies over a grid of known truths, and write power and false "
        "verdicts of every claim to docs/operating_characteristics.md."
    )
    parser.add_argument("--simulate", action="store_true", help="simulate studies and write the page")
    parser.add_argument("--draws", help="simulated studies per point of the grid; default: 2000")
    parser.add_argument("--table", type=Path, metavar="FILE", help="also write the whole grid as CSV")
    parser.set_defaults(run=_claims)


def _claims(options: argparse.Namespace) -> int:
    if not options.simulate and (options.draws or options.table):
        raise UserError("--draws and --table need --simulate")
    draws = None if options.draws is None else positive("--draws", options.draws)
    place = clone("roma claims")
    if options.table is not None:
        make_writable_directory(options.table.parent)

    from analysis import claims
    from analysis.claims import characteristics

    listed = claims.load()
    if not options.simulate:
        for claim in listed:
            print(f"{claim.question}: {claim.id}{' (estimate)' if claim.estimate else ''}: {claim.statement}")
        return 0
    page = place / characteristics.PAGE
    grid = characteristics.write(listed, page, draws or characteristics.DRAWS)
    if options.table is not None:
        grid.to_csv(options.table, index=False, lineterminator="\n")
    print(f"written to {page}")
    return 0


def docs(parser: Parser) -> None:
    """Add the pages of `roma docs`."""
    parser.description = "Write a page of docs that is generated from runs or code."
    pages = parser.add_subparsers(dest="page", required=True)
    for name, text in (
        ("learning", "add finished runs to docs/learning.md, the record of learning per algorithm"),
        ("readings", "add finished runs to docs/readings.md, the comparison of the two readings of L_D"),
    ):
        page = pages.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        page.add_argument(
            "runs",
            type=Path,
            nargs="*",
            metavar="RUN_DIR",
            help="finished runs to add; default: none, only write the page again",
        )
    for name, text in (
        (
            "traceability",
            "write docs/traceability.md, which links each part of the paper to its code, settings, outputs and tests",
        ),
        ("results", "write docs/results.md, the study's results in words, as of its latest complete tranche"),
        ("cards", "write the model cards of the shipped runs, in data/embedded/study/cards"),
    ):
        pages.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.set_defaults(run=_docs)


def _docs(options: argparse.Namespace) -> int:
    place = clone("roma docs")
    runs = [run.absolute() for run in getattr(options, "runs", [])]
    for run in runs:
        require_folder(run)
    with chdir(place):
        if options.page == "traceability":
            from workflow.pages import traceability

            traceability.write()
        elif options.page == "results":
            from workflow.pages import results

            results.write()
        elif options.page == "cards":
            from workflow.pages import cards

            for file in cards.write(place):
                print(f"written to {file}")
        elif options.page == "learning":
            from analysis.studies import learning

            learning.record(runs)
            learning.write()
        else:
            from analysis.studies import readings

            readings.record(runs)
            readings.write()
    return 0
