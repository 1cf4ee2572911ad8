"""Drawing of one entry of the figure list: a figure with its panels and its data as CSV, or a table."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from analysis import figure_list, style, summarise, withheld
from analysis import table as tables
from roma.support.errors import unknown
from roma.support.files import atomic_path


def draw(name: str, listed: Path, summary: Path, folder: Path, metrics: Sequence[str]) -> None:
    """Draw a figure or write a table.

    Args:
        name: Name of the entry, such as fig04 or table1.
        listed: Figure list (YAML).
        summary: Folder of the tidy tables.
        folder: Output folder.
        metrics: Metrics of learning curves, drawn one above the other.

    Raises:
        UserError: The figure list has no such entry, or a tidy table is missing.
    """
    planned = summarise.planned_cells(summary)
    style.introduce(arm for _, arm in planned)
    specifications = figure_list.read(listed, planned)
    if name not in specifications:
        raise unknown("figure", name, specifications)
    if "table" in specifications[name]:
        _write_table(summary, specifications[name], folder / name)
    else:
        _draw_figure(summary, specifications[name], metrics, folder / name)


def _write_table(summary: Path, specification: Mapping[str, Any], target: Path) -> None:
    kind = specification["table"]
    if kind in withheld.ROLE_TABLES and (reason := summarise.withheld(summary)):
        table = withheld.table(reason)
    else:
        table = import_module(f"analysis.tables.{kind}").table(summary, specification)
    sentences = [specification["title"], *table.notes, f"Inputs {summarise.inputs_digest(summary)}"]
    tables.write(table.frame, target, ". ".join(sentences) + ".", table.groups, table.shown)


def _draw_figure(summary: Path, specification: Mapping[str, Any], metrics: Sequence[str], target: Path) -> None:
    kind = specification["plot"]
    if kind in withheld.ROLE_PANELS and (reason := summarise.withheld(summary)):
        frame = withheld.table(reason).frame
        figure = withheld.figure(specification["title"], reason)
        parts = dict.fromkeys(specification["maps"], frame)
    else:
        module = import_module(f"analysis.figures.{kind}")
        frame = module.data(summary, specification, metrics)
        figure = module.draw(frame)
        parts = module.panels(frame)
    style.save(figure, target)
    for panel, part in parts.items():
        alone = target.with_name(f"{target.name}_{panel}")
        if part.equals(frame):  # the figure has no other panel
            style.copy(target, alone)
        else:
            style.save(module.draw(part), alone)
    with atomic_path(target.with_name(f"{target.name}.csv")) as beside:
        frame.to_csv(beside, index=False)
