"""`python -m analysis summarise data/embedded/demo` and `python -m analysis plot fig04 --summary ... --out ...`."""

import argparse
import sys
from importlib import import_module
from pathlib import Path

import yaml

from roma.errors import UserError, unknown
from roma.files import atomic_path, make_writable_directory

FIGURES = Path("workflow/config/figures.yaml")


def main(arguments: list[str] | None = None) -> int:
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
    tables.add_argument("--cells", nargs="+", metavar="MAP/ARM", help="which cells; default: every finished run")
    tables.add_argument("--seeds", nargs="+", type=int, default=[0], help="seeds of each of the cells; default: 0")
    tables.set_defaults(command=summarise)

    figure = commands.add_parser("plot", help="draw a figure")
    figure.add_argument("name", help="a figure of the figure list, such as fig04")
    figure.add_argument("--summary", type=Path, required=True, help="folder of the tidy tables")
    figure.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    figure.add_argument("--figures", type=Path, default=FIGURES, help=f"the figure list; default: {FIGURES}")
    figure.add_argument("--metrics", nargs="+", default=["test_battle_won_mean"], help="drawn one above the other")
    figure.set_defaults(command=plot)
    return root


def summarise(options: argparse.Namespace) -> None:
    from analysis import runs, summarise

    chosen = (
        runs.expected_runs(options.root, options.cells, options.seeds)
        if options.cells
        else runs.found_runs(options.root)
    )
    summarise.write(summarise.summarise(chosen), options.root / "summary")


def plot(options: argparse.Namespace) -> None:
    figures = yaml.safe_load(options.figures.read_text())
    if options.name not in figures:
        raise unknown("figure", options.name, figures)
    if not options.summary.is_dir():
        raise UserError(f"{options.summary} is missing: python -m analysis summarise makes it")
    make_writable_directory(options.out)
    from analysis import style

    module = import_module(f"analysis.plots.{figures[options.name]['plot']}")
    frame = module.data(options.summary, figures[options.name], options.metrics)
    style.save(module.draw(frame), options.out / options.name)
    for panel, part in module.panels(frame).items():
        style.save(module.draw(part), options.out / f"{options.name}_{panel}")
    with atomic_path(options.out / f"{options.name}.csv") as beside:
        frame.to_csv(beside, index=False)


if __name__ == "__main__":
    sys.exit(main())
