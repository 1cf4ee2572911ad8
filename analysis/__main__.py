"""`python -m analysis summarise data/embedded/demo` and `python -m analysis plot fig04 --summary ... --out ...`."""

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from analysis import FIGURES
from roma.scenarios import canonical_map
from roma.support.errors import UserError, unknown
from roma.support.files import atomic_path, make_writable_directory
from roma.support.owner import end_with_owner
from roma.support.pictures import import_matplotlib
from roma.support.schema import read_yaml
from roma.support.streams import outlive_readers


def main(arguments: list[str] | None = None) -> int:
    outlive_readers()
    end_with_owner()
    import_matplotlib()
    options = parser().parse_args(arguments)
    try:
        options.command(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="python -m analysis", description=__doc__)
    commands = root.add_subparsers(required=True)

    tables = commands.add_parser("summarise", help="make the tidy tables of finished runs")
    tables.add_argument("root", type=Path, help="folder of the scale, such as data/embedded/demo; reads <root>/runs")
    tables.add_argument("--runs", nargs="+", metavar="MAP/ARM/seedK", help="which runs; default: every finished run")
    tables.add_argument(
        "--planned",
        nargs="+",
        metavar="MAP/ARM=N",
        type=planned_cell,
        help="all cells of the scale with their numbers of seeds; default: those of the runs",
    )
    tables.add_argument("--withheld", default="", metavar="WHY", help="show no verdicts and roles, and say why")
    tables.set_defaults(command=summarise)

    figure = commands.add_parser("plot", help="draw a figure, or write a table")
    figure.add_argument("name", help="one of the figure list, such as fig04 or table1")
    figure.add_argument("--summary", type=Path, required=True, help="folder of the tidy tables")
    figure.add_argument("--out", type=Path, required=True, help="folder of the files made")
    figure.add_argument("--figures", type=Path, default=FIGURES, help="the figure list; default: this clone's")
    figure.add_argument("--metrics", nargs="+", default=["test_battle_won_mean"], help="drawn one above the other")
    figure.set_defaults(command=plot)

    page = commands.add_parser("report", help="put everything into one HTML page")
    page.add_argument("--summary", type=Path, required=True, help="folder of the tidy tables")
    page.add_argument("--figures", type=Path, required=True, help="folder of the pictures and printed tables")
    page.add_argument("--list", type=Path, default=FIGURES, help="the figure list; default: this clone's")
    page.add_argument("--out", type=Path, required=True, help="the page, such as figures/embedded/demo/report.html")
    page.set_defaults(command=report)

    animation = commands.add_parser("video", help="animate the battle that figures show of a map, roles as colours")
    animation.add_argument("map", help="name of a map with a run of roma, such as MMM2")
    animation.add_argument("--summary", type=Path, required=True, help="folder of the tidy tables")
    animation.add_argument("--out", type=Path, required=True, help="folder of the animation")
    animation.set_defaults(command=video)

    exported = commands.add_parser("export", help="write learning curves and final performance in marl-eval's JSON")
    exported.add_argument("--summary", type=Path, required=True, help="folder of the tidy tables")
    exported.add_argument("--out", type=Path, required=True, help="the file, such as runs.json")
    exported.set_defaults(command=export)

    learnt = commands.add_parser("learning", help="add finished runs to the record of what was seen to learn")
    learnt.add_argument("runs", type=Path, nargs="*", metavar="RUN_DIR", help="none: table and picture are made anew")
    learnt.set_defaults(command=learning)

    studied = commands.add_parser("readings", help="add finished runs to the study of how L_D is read")
    studied.add_argument(
        "runs", type=Path, nargs="*", metavar="RUN_DIR", help="none: tables and pictures are made anew"
    )
    studied.set_defaults(command=readings)
    return root


def planned_cell(text: str) -> tuple[tuple[str, str], int]:
    """Read `MAP/ARM=N`, a cell with its number of seeds."""
    cell, _, seeds = text.partition("=")
    map_name, _, arm = cell.partition("/")
    if not (map_name and arm and seeds.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not MAP/ARM=N, such as MMM2/roma=5")
    return (map_name, arm), int(seeds)


def summarise(options: argparse.Namespace) -> None:
    from analysis import runs, summarise

    chosen = runs.expected_runs(options.root, options.runs) if options.runs else runs.found_runs(options.root)
    tables = summarise.summarise(chosen, dict(options.planned or ()), options.withheld)
    summarise.write(tables, options.root / "summary")


def video(options: argparse.Namespace) -> None:
    map_name = canonical_map(options.map)
    _require_summary(options.summary)
    from analysis.video import write

    print(write(map_name, options.summary, options.out))


def export(options: argparse.Namespace) -> None:
    _require_summary(options.summary)
    make_writable_directory(options.out.parent)
    from analysis import marl_eval

    marl_eval.write(options.summary, options.out)


def learning(options: argparse.Namespace) -> None:
    from analysis import learning

    learning.record(options.runs)
    learning.write()


def readings(options: argparse.Namespace) -> None:
    from analysis import readings

    readings.record(options.runs)
    readings.write()


def plot(options: argparse.Namespace) -> None:
    figures = read_yaml(options.figures)
    if options.name not in figures:
        raise unknown("figure", options.name, figures)
    _require_summary(options.summary)
    make_writable_directory(options.out)
    specification, target = figures[options.name], options.out / options.name
    if "table" in specification:
        _write_table(options.summary, specification, target)
    else:
        _draw_figure(options.summary, specification, options.metrics, target)


def _require_summary(summary: Path) -> None:
    if not summary.is_dir():
        raise UserError(f"{summary} is missing: python -m analysis summarise makes it")


def _write_table(summary: Path, specification: dict[str, Any], target: Path) -> None:
    from analysis import summarise, tables, withheld

    kind = specification["table"]
    if kind in withheld.ROLE_TABLES and (reason := summarise.withheld(summary)):
        table = withheld.table(reason)
    else:
        table = import_module(f"analysis.plots.{kind}").table(summary, specification)
    sentences = [specification["title"], *table.notes, f"Inputs {summarise.inputs_digest(summary)}"]
    tables.write(table.frame, target, ". ".join(sentences) + ".", table.groups, table.shown)


def _draw_figure(summary: Path, specification: dict[str, Any], metrics: list[str], target: Path) -> None:
    from analysis import style, summarise, withheld

    kind = specification["plot"]
    if kind in withheld.ROLE_PANELS and (reason := summarise.withheld(summary)):
        frame = withheld.table(reason).frame
        figure = withheld.figure(specification["title"], reason)
        pictures = dict.fromkeys(specification["maps"], figure)
    else:
        module = import_module(f"analysis.plots.{kind}")
        frame = module.data(summary, specification, metrics)
        figure = module.draw(frame)
        pictures = {panel: module.draw(part) for panel, part in module.panels(frame).items()}
    style.save(figure, target)
    for panel, picture in pictures.items():
        style.save(picture, target.with_name(f"{target.name}_{panel}"))
    with atomic_path(target.with_name(f"{target.name}.csv")) as beside:
        frame.to_csv(beside, index=False)


def report(options: argparse.Namespace) -> None:
    for folder in (options.summary, options.figures):
        if not folder.is_dir():
            raise UserError(f"the folder {folder} is missing: snakemake report makes it first")
    make_writable_directory(options.out.parent)
    from analysis.report import write

    write(options.summary, options.figures, options.list, options.out)


if __name__ == "__main__":
    sys.exit(main())
