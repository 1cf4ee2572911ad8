"""What is drawn of the study's runs when a tranche is complete: in git, so that it can be seen before any command.

Summary, figures and report lie in data/<engine>/study/tranches/<tranche>, as they were then; docs/results.md puts them
into words. A clone draws its own.
"""

import shutil
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path

from analysis.measures.measurements import lacking
from analysis.summarise import LANDED
from roma.runs.directory import RunDirectory
from roma.support.system.tools import ask
from workflow.artifacts.budget import MB, OF_TRANCHE
from workflow.artifacts.shipping import STUDY
from workflow.artifacts.tracking import run_command
from workflow.grid import Grid, expand, results_folder
from workflow.pages import results as results_page
from workflow.scale import read_scale

KINDS = (".html", ".md", ".tex", ".png", ".pdf", ".parquet", ".csv")  # those that fit are taken in this order


def land(scale: Path) -> list[str]:
    """Draw what ships and commit it, once for each complete tranche; return what to tell the user.

    Args:
        scale: The scale's file, in the repository that is the working folder. Only the study's tranches are drawn.
    """
    config = read_scale(scale)
    results = results_folder(config)
    complete = complete_tranches(results, expand(config, str(scale)))
    new = [tranche for tranche in complete if not _is_committed(results / LANDED / tranche)]
    if config["scale"] != STUDY or not new:
        return []
    run_command(sys.executable, "-m", "snakemake", "--cores", "all", "--", "figures")
    drawn = {"summary": results / "summary", "figures": Path("figures", config["engine"], config["scale"])}
    places = {file: Path(name, file.relative_to(folder)) for name, folder in drawn.items() for file in _files(folder)}
    taken, left_out = fitting(places, OF_TRANCHE)
    for tranche in new:
        for file in taken:
            target = results / LANDED / tranche / places[file]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    results_page.write()
    paths = [str(results / LANDED), str(results_page.PAGE)]
    run_command("git", "add", "--", *paths)
    message = f"Draw the study as of {' and '.join(new)}"
    run_command("git", "commit", "--quiet", "-m", message, "--", *paths)
    said = f"{', '.join(new)}: {len(taken)} files drawn, {sum(map(_size, taken)) / MB:.1f} MB, in {results / LANDED}"
    return [said + (f"; {len(left_out)} left out, as there is no room" if left_out else "")]


def complete_tranches(results: Path, grid: Grid) -> list[str]:
    """Return the tranches of which every run is finished and, if it has roles, measured."""
    incomplete = {
        tranche
        for run in grid.runs.values()
        for tranche, steps in run.tranches.items()
        if not _is_complete(RunDirectory(results / "runs" / run.directory), steps)
    }
    return [tranche for tranche in grid.tranches if tranche not in incomplete]


def _is_complete(run: RunDirectory, steps: int) -> bool:
    return run.held_steps() >= steps and not (run.config.has_roles and lacking(run))


def fitting(files: Iterable[Path], room: int) -> tuple[list[Path], list[Path]]:
    """Return the files that fit into so many bytes of git's store, by KINDS and size, and the rest."""
    taken: list[Path] = []
    left_out: list[Path] = []
    sizes = {file: _size(file) for file in files}
    for file in sorted(sizes, key=lambda file: (KINDS.index(file.suffix), sizes[file], file)):
        fits = sizes[file] <= room
        (taken if fits else left_out).append(file)
        room -= sizes[file] if fits else 0
    return taken, left_out


def _is_committed(folder: Path) -> bool:
    """Return whether git has the folder; one that is only here was left by an interrupted command."""
    return bool(ask(["git", "ls-tree", "HEAD", "--", str(folder)]))


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.suffix in KINDS]


def _size(file: Path) -> int:
    """Return the bytes that a file takes in git's store."""
    return len(zlib.compress(file.read_bytes()))
