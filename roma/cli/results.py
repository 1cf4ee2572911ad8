"""`roma summarise`, `plot`, `report`, `video` and `export`: tables, figures and pages of finished runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from roma.cli.options import Parser
from roma.scenarios import canonical_map
from roma.support.errors import UserError
from roma.support.files import make_writable_directory
from roma.support.pictures import import_matplotlib


def summarise(parser: Parser) -> None:
    """Add the options of `roma summarise`."""
    parser.description = "Summarise the finished runs of a scale in tidy tables."
    parser.add_argument("root", type=Path, help="folder of the scale, such as data/embedded/demo; reads <root>/runs")
    parser.add_argument("--runs", nargs="+", metavar="MAP/ARM/seedK", help="runs to summarise; default: all finished")
    parser.add_argument(
        "--planned",
        nargs="+",
        metavar="MAP/ARM=N",
        type=_planned_cell,
        help="all cells of the scale with their numbers of seeds; default: the cells of the runs",
    )
    parser.add_argument("--withheld", default="", metavar="WHY", help="reason for not showing verdicts and roles")
    parser.set_defaults(run=_summarise)


def _planned_cell(text: str) -> tuple[tuple[str, str], int]:
    """Read `MAP/ARM=N`, a cell with its number of seeds."""
    cell, _, seeds = text.partition("=")
    map_name, _, arm = cell.partition("/")
    if not (map_name and arm and seeds.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not MAP/ARM=N, such as MMM2/roma=5")
    return (map_name, arm), int(seeds)


def _summarise(options: argparse.Namespace) -> int:
    from analysis import runs, summarise

    chosen = runs.expected_runs(options.root, options.runs) if options.runs else runs.found_runs(options.root)
    if not chosen:
        raise UserError(f"there are no finished runs in {options.root / 'runs'}")
    tables = summarise.summarise(chosen, dict(options.planned or ()), options.withheld)
    summarise.write(tables, options.root / "summary")
    return 0


def plot(parser: Parser) -> None:
    """Add the options of `roma plot`."""
    parser.description = "Draw a figure, or write a table, of the figure list."
    parser.add_argument("name", help="name in the figure list, such as fig04 or table1")
    _add_summary(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the files")
    parser.add_argument("--figures", type=Path, help="the figure list; default: workflow/config/figures.yaml")
    parser.add_argument(
        "--metrics",
        nargs="+",
        default=["test_battle_won_mean"],
        help="metrics of learning curves, drawn one above the other; default: test_battle_won_mean",
    )
    parser.set_defaults(run=_plot)


def _plot(options: argparse.Namespace) -> int:
    listed = _figure_list("roma plot", "--figures", options.figures)
    _require_summary(options.summary)
    make_writable_directory(options.out)

    import_matplotlib()
    from analysis.drawing import draw

    draw(options.name, listed, options.summary, options.out, options.metrics)
    return 0


def report(parser: Parser) -> None:
    """Add the options of `roma report`."""
    parser.description = "Write one HTML page with figures, tables, claims, curves and roles."
    _add_summary(parser)
    parser.add_argument("--figures", type=Path, required=True, help="folder of the figures and tables")
    parser.add_argument("--list", type=Path, help="the figure list; default: workflow/config/figures.yaml")
    parser.add_argument("--out", type=Path, required=True, help="file, such as figures/embedded/demo/report.html")
    parser.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> int:
    listed = _figure_list("roma report", "--list", options.list)
    for folder in (options.summary, options.figures):
        if not folder.is_dir():
            raise UserError(f"there is no folder {folder}: call roma summarise and roma plot first, or make figures")
    make_writable_directory(options.out.parent)

    import_matplotlib()
    from analysis.report import write

    write(options.summary, options.figures, listed, options.out)
    return 0


def video(parser: Parser) -> None:
    """Add the options of `roma video`."""
    parser.description = "Animate the episode that the figures show for a map, with roles as colours."
    parser.add_argument("map", help="name of a map with a run of roma, such as MMM2")
    _add_summary(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the animation")
    parser.set_defaults(run=_video)


def _video(options: argparse.Namespace) -> int:
    map_name = canonical_map(options.map)
    _require_summary(options.summary)

    import_matplotlib()
    from analysis.figures.video import write

    print(write(map_name, options.summary, options.out))
    return 0


def export(parser: Parser) -> None:
    """Add the options of `roma export`."""
    parser.description = "Write learning curves and final performance in marl-eval's JSON format."
    _add_summary(parser)
    parser.add_argument("--out", type=Path, required=True, help="file, such as runs.json")
    parser.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    _require_summary(options.summary)
    make_writable_directory(options.out.parent)

    from analysis import marl_eval

    marl_eval.write(options.summary, options.out)
    return 0


def _add_summary(parser: Parser) -> None:
    parser.add_argument(
        "--summary", type=Path, required=True, help="folder of the tidy tables that roma summarise wrote"
    )


def _require_summary(summary: Path) -> None:
    if not summary.is_dir():
        raise UserError(f"{summary} is missing: `roma summarise` writes it")


def _figure_list(command: str, option: str, given: Path | None) -> Path:
    """Return the figure list: the given one, or that of the clone that contains this code."""
    from analysis import FIGURES

    if given is None and not FIGURES.exists():
        raise UserError(
            f"{command} without {option} works with the code of a clone only: give a figure list by {option}"
        )
    return given or FIGURES
