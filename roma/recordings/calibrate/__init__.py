"""Calibration of the embedded engine against the runs that were released with SMAC v1.0.

`write_play` compares untrained play: random actions, untrained networks, SMAC's scripted policy. `write_learning`
compares recorded runs: learning curves and episode lengths over training.
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
    """Return the maps that the embedded engine has and that have released runs, in the released file's order."""
    from roma import scenarios
    from roma.scenarios import released_runs

    known = set(scenarios.map_names())
    return [name for name in released_runs.map_names() if name in known]


def write_play(plays: Sequence[Play], directory: Path) -> str:
    """Write calibration.{csv,md,png,pdf} into `directory`, which must exist; return the Markdown."""
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
    """Play under every alternative setting and write sensitivity.md into `directory`; return the Markdown."""
    from roma.recordings.calibrate import tables
    from roma.recordings.calibrate.sensitivity import sensitivity

    text = tables.sensitivity_table(sensitivity(maps, count))
    write_bytes(directory / "sensitivity.md", text.encode())
    return text


def write_learning(places: Sequence[Path], directory: Path) -> str:
    """Compare recorded runs in and below `places` with the released ones; return the Markdown.

    Writes learning.{md,png,pdf}, learning_curves.csv and episode_lengths.csv into `directory`, which must exist.

    Raises:
        UserError: No run is long enough to be compared, or as in `recorded.find`.
    """
    from roma.recordings.calibrate import learning, learning_drawing, learning_tables, recorded, statistics

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
    """Write rows with the same columns, at least one."""
    with atomic_path(file) as beside, beside.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def save_figure(figure: Figure, stem: Path) -> None:
    """Write `<stem>.png` and `<stem>.pdf`, without the dates matplotlib would write into them."""
    undated: tuple[tuple[str, dict[str, Any]], ...] = (("png", {"Software": None}), ("pdf", {"CreationDate": None}))
    for kind, metadata in undated:
        with atomic_path(stem.with_name(f"{stem.name}.{kind}")) as beside:
            figure.savefig(beside, format=kind, dpi=200, metadata=metadata)
