"""Figures of the study's complete tranches, committed to git, so that readers see them without running a command.

data/<engine>/study/tranches/<tranche> holds summary, figures and report as of the end of the tranche, docs/results.md
puts them into words. A clone draws its own figures elsewhere.
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

# In order of preference if room is short. The first are the summary, from which docs/results.md is written. The report
# is left out: it repeats the pictures, and `make figures` writes it in a minute.
KINDS = (".parquet", ".md", ".tex", ".png", ".pdf", ".csv")


def land(scale: Path) -> list[str]:
    """Draw the shipped runs and commit the figures, once for each complete tranche; return messages for the user.

    Args:
        scale: File of the scale, in the repository at the working folder. Nothing happens for scales other than the
            study.
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
    """Return the tranches whose runs are all finished and, if they have roles, measured."""
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
    """Return the files that fit into a size, chosen by KINDS and size, and the other files.

    Args:
        files: Files to choose from.
        room: Size in git's object store, in bytes.
    """
    taken: list[Path] = []
    left_out: list[Path] = []
    sizes = {file: _size(file) for file in files}
    for file in sorted(sizes, key=lambda file: (KINDS.index(file.suffix), sizes[file], file)):
        fits = sizes[file] <= room
        (taken if fits else left_out).append(file)
        room -= sizes[file] if fits else 0
    return taken, left_out


def _is_committed(folder: Path) -> bool:
    """Return whether git has the folder; a folder without a commit was left by an interrupted command."""
    return bool(ask(["git", "ls-tree", "HEAD", "--", str(folder)]))


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.suffix in KINDS]


def _size(file: Path) -> int:
    """Return the size of a file in git's object store, in bytes."""
    return len(zlib.compress(file.read_bytes()))
