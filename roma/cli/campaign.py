"""`roma campaign`: a long study that runs beside other work."""

from __future__ import annotations

import argparse
from pathlib import Path

from roma.cli.options import Parser, clone, positive


def campaign(parser: Parser) -> None:
    """Add the actions of `roma campaign`."""
    parser.description = "Run a long study beside other work, in a clone of its own (docs/campaign.md)."
    actions = parser.add_subparsers(dest="action", required=True)
    begin = actions.add_parser(
        "start",
        help="start the campaign, or go on with it",
        description="Train and evaluate the open tranches that workflow/campaign.yaml names, at its revision, in a "
        "clone and an environment of its own, at the lowest priority. The command returns once the campaign runs.",
    )
    begin.add_argument("--folder", type=Path, help="the campaign's clone; default: beside this one, NAME-campaign")
    begin.add_argument("--cores", help="runs side by side; default: one a core")
    begin.add_argument("--until", metavar="HH:MM", help="local time at which all runs write checkpoints and end")
    begin.add_argument(
        "--usual-priority", action="store_true", help="do not take the lowest priority: the machine does nothing else"
    )
    begin.add_argument("--slurm", action="store_true", help="submit the runs to a cluster by the Slurm profile")
    begin.add_argument(
        "--environment", type=Path, metavar="FOLDER", help="virtual environment; default: made from the revision's lock"
    )
    for name, text in (
        ("pause", "stop all runs where they are, until resume"),
        ("resume", "let paused runs go on"),
        ("stop", "let all runs write checkpoints and end, in ten seconds at most"),
        ("status", "print what is done, running and left, and when each tranche ends"),
        ("collect", "bring finished runs into this clone and track them"),
    ):
        actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    planning = actions.add_parser(
        "plan",
        help="say what each tranche costs and which claims it can decide",
        description="Print runs, core-hours and the claims that can be decided, tranche by tranche. Speeds are those "
        "of workflow/cost.csv, claims those of analysis/claims.yaml.",
    )
    planning.add_argument("--scale", default="study", help="a scale with tranches; default: study")
    joining = actions.add_parser(
        "merge",
        help="bring another clone's finished runs into this one and track them",
        description="Bring another clone's finished runs into this one and track them. Two different results of one "
        "run are refused; of a shorter and a longer one the longer is kept.",
    )
    joining.add_argument("other", type=Path, metavar="FOLDER", help="the other clone, such as another machine's")
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
