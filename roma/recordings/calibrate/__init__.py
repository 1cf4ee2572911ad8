"""Calibration of the embedded engine against the runs released with SMAC v1.0.

`write_play` compares untrained play: random actions, untrained networks, SMAC's scripted policy. `write_learning`
compares training runs: learning curves, and episode lengths over training.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roma.support.errors import UserError
from roma.support.files import atomic_path, write_bytes
from roma.support.pictures import own_settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from roma.recordings.calibrate.play import Play


def map_names() -> list[str]:
    """Return the maps of the embedded engine with released runs, in the order of the released file."""
    from roma import scenarios
    from roma.scenarios import released_runs

    known = set(scenarios.map_names())
    return [name for name in released_runs.map_names() if name in known]


def write_play(plays: Sequence[Play], directory: Path) -> str:
    """Write calibration.{csv,md,png,pdf} into an existing directory and return the Markdown.

    Args:
        plays: Untrained play, one item per map.
        directory: Folder of the files; it must exist.
    """
    from roma.recordings.calibrate import drawing, tables
    from roma.recordings.calibrate.comparison import compare

    comparisons = [compare(play) for play in plays]
    text = tables.page(comparisons)
    write_csv([tables.flat(row) for row in comparisons], directory / "calibration.csv")
    write_bytes(directory / "calibration.md", text.encode())
    with own_settings():
        save_figure(drawing.draw(plays), directory / "calibration")
    return text


def write_sensitivity(maps: Sequence[str], count: int, directory: Path) -> str:
    """Play under every alternative engine setting, write sensitivity.md and return the Markdown.

    Args:
        maps: Names of maps.
        count: Random and scripted episodes per map and setting.
        directory: Folder of the file; it must exist.
    """
    from roma.recordings.calibrate import tables
    from roma.recordings.calibrate.sensitivity import sensitivity

    text = tables.sensitivity_table(sensitivity(maps, count))
    write_bytes(directory / "sensitivity.md", text.encode())
    return text


def write_learning(places: Sequence[Path], directory: Path) -> str:
    """Compare training runs with the released ones and return the Markdown.

    Writes learning.{md,png,pdf}, learning_curves.csv and episode_lengths.csv.

    Args:
        places: Run directories, or folders above them.
        directory: Folder of the files; it must exist.

    Raises:
        UserError: No run is long enough for a comparison, or `recorded.find` fails.
    """
    from roma.recordings.calibrate import statistics
    from roma.recordings.calibrate.learned import comparison as learning
    from roma.recordings.calibrate.learned import drawing as learning_drawing
    from roma.recordings.calibrate.learned import recorded
    from roma.recordings.calibrate.learned import tables as learning_tables

    runs, unfinished = recorded.find(places)
    groups = learning.group_runs(runs)
    if not any(group.curves and group.lengths for group in groups):
        raise UserError(
            f"the longest of these runs has {max(group.end for group in groups):,} steps; comparing begins at "
            f"{statistics.CHECKPOINTS[0]:,}"
        )
    text = learning_tables.page(groups, learning.missing(groups, unfinished, map_names()))
    write_csv(learning_tables.curve_rows(groups), directory / "learning_curves.csv")
    write_csv(learning_tables.length_rows(groups), directory / "episode_lengths.csv")
    write_bytes(directory / "learning.md", text.encode())
    with own_settings():
        save_figure(learning_drawing.draw(groups), directory / "learning")
    return text


def write_csv(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Write rows to a CSV file; there must be at least one, and all must have the same columns."""
    with atomic_path(file) as beside, beside.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def save_figure(figure: Figure, stem: Path) -> None:
    """Write `<stem>.png` and `<stem>.pdf`, without matplotlib's date stamps."""
    undated: tuple[tuple[str, dict[str, Any]], ...] = (("png", {"Software": None}), ("pdf", {"CreationDate": None}))
    for kind, metadata in undated:
        with atomic_path(stem.with_name(f"{stem.name}.{kind}")) as beside:
            figure.savefig(beside, format=kind, dpi=200, metadata=metadata)
