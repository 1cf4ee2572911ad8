"""`roma campaign`: training of a long study in the background."""

from __future__ import annotations

import argparse
from pathlib import Path

from roma.cli.options import Parser, clone, positive


def campaign(parser: Parser) -> None:
    """Add the actions of `roma campaign`."""
    parser.description = "Train a long study in the background, in a separate clone (docs/campaign.md)."
    actions = parser.add_subparsers(dest="action", required=True)
    begin = actions.add_parser(
        "start",
        help="start the campaign, or resume it",
        description="Train and evaluate the open tranches of workflow/campaign.yaml, at the revision given there, in a "
        "separate clone and environment, at the lowest priority. The command returns once the campaign is running.",
    )
    begin.add_argument("--folder", type=Path, help="the campaign's clone; default: NAME-campaign beside this clone")
    begin.add_argument("--cores", help="runs trained in parallel; default: one per core")
    begin.add_argument("--until", metavar="HH:MM", help="local time at which all runs write checkpoints and end")
    begin.add_argument(
        "--usual-priority", action="store_true", help="keep the usual priority, on a machine without other work"
    )
    begin.add_argument("--slurm", action="store_true", help="submit the runs to a cluster with the Slurm profile")
    begin.add_argument(
        "--environment",
        type=Path,
        metavar="FOLDER",
        help="virtual environment; default: a new one with the locked versions of the revision",
    )
    for name, text in (
        ("pause", "suspend all runs until `roma campaign resume`"),
        ("resume", "continue paused runs"),
        ("stop", "let all runs write checkpoints and end, in ten seconds at most"),
        ("status", "print the numbers of finished, running and remaining runs, and when each tranche ends"),
        ("collect", "copy finished runs into this clone and track them"),
    ):
        actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    planning = actions.add_parser(
        "plan",
        help="print the cost of each tranche and the claims that it can decide",
        description="Print runs, core-hours and the claims that can be decided, for each tranche. Speeds come from "
        "workflow/cost.csv, claims from analysis/claims.yaml.",
    )
    planning.add_argument("--scale", default="study", help="name of a scale with tranches; default: study")
    joining = actions.add_parser(
        "merge",
        help="copy the finished runs of another clone into this one and track them",
        description="Copy the finished runs of another clone into this one and track them. If two results of a run "
        "differ in length, the longer one is kept. Different results of equal length are an error.",
    )
    joining.add_argument("other", type=Path, metavar="FOLDER", help="the other clone, for example of another machine")
    for action in actions.choices.values():
        action.set_defaults(run=_campaign)


def _campaign(options: argparse.Namespace) -> int:
    project = clone("roma campaign")
    if options.action == "start" and options.cores is not None:
        positive("--cores", options.cores)

    from workflow.campaign import collection, control, status

    if options.action == "start":
        said = control.start(
            project,
            options.folder,
            options.cores or "all",
            options.until,
            options.environment,
            options.slurm,
            options.usual_priority,
        )
    elif options.action in ("status", "collect"):
        said = {"status": status.status, "collect": collection.collect}[options.action](project)
    elif options.action == "merge":
        said = collection.merge(project, options.other)
    elif options.action == "plan":
        from workflow import cost, plan

        said = plan.report(cost.scale_file(options.scale), cost.read_speeds())
    else:
        said = {"pause": control.pause, "resume": control.resume, "stop": control.stop}[options.action]()
    print(said)
    return 0
