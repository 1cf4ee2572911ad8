"""Choice of the files of finished runs that ship, within a budget for the size of the repository's history.

Every run ships its metrics, settings, evaluations, final weights and measurements. Earlier weights ship at STAGES for
the two arms that figures and claims follow over training, and at step 0 for other arms with roles. Arms that are drawn
ship one recorded episode. Room for the runs of the open tranches is reserved first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from analysis.measures.measurements import MEASURED, lacking, shown_arms
from analysis.summarise import LANDED
from roma.runs.directory import RunDirectory
from roma.support.errors import UserError
from roma.support.system.tools import ask
from workflow.artifacts.shipping import BUNDLE, md5_of
from workflow.grid import Grid, Run

MB = 1_000_000
BUDGET = 150 * MB  # size in the history of everything that ships
OF_TRANCHE = 8 * MB  # size of the summary, figures and report of each tranche, in LANDED
STAGES = (0, 500_000, 2_000_000, 6_000_000, 10_000_000)  # environment steps
FOLLOWED_ARMS = ("roma", "roma_td")
UNTRAINED = (0,)
UNKNOWN_RUN = 600_000  # expected bytes of a run before any has finished: 0.2 MB of weights, metrics of 10 million steps


@dataclass(frozen=True)
class Choice:
    """Files that ship, with a message for the user."""

    files: list[Path]
    left_out: list[Path]  # optional files for which there is no room
    said: str


def required(run: RunDirectory) -> list[Path]:
    """Return the files of a finished run that always ship."""
    evaluations = sorted(run.evaluation_folder.glob("t*.json"))
    files = [run.config_file, run.metrics_file, run.timing_file, run.provenance_file, *evaluations]
    measured = run.config.has_roles and not lacking(run)
    return [*files, run.kept_policy(run.last_step()), *map(run.measurement_file, MEASURED if measured else ())]


def optional(run: RunDirectory) -> list[tuple[int, Path]]:
    """Return the files of a finished run that ship if there is room, with the environment steps of each."""
    if not run.config.has_roles:
        return []
    last, stages = run.last_step(), STAGES if run.arm in FOLLOWED_ARMS else UNTRAINED
    found = [(step, run.policy_file(step)) for step in run.milestones() if step in stages and step < last]
    drawn = run.arm in shown_arms() and not lacking(run, ["episodes"])
    return [*found, *([(last, run.measurement_file("episodes"))] if drawn else [])]


def choose(results: Path, runs: Sequence[RunDirectory], grid: Grid, held: Mapping[str, str]) -> Choice:
    """Return the files of runs that ship.

    Files that ship already stay. If room is short, the optional files of the earliest steps are left out first.

    Args:
        results: Folder of the scale's results.
        runs: Finished runs of the scale.
        grid: The runs for which room is reserved.
        held: MD5 of the files that ship already, by path.

    Raises:
        UserError: There is no room for the required files.
    """
    used = history([BUNDLE, results])
    always = {run: required(run) for run in runs}
    files = [file for of_run in always.values() for file in of_run]
    added = sum(map(_size, _new(files, held)))
    coming, of_tranches = reserved(results, always, grid)
    if used + added > BUDGET:
        raise UserError(
            f"{_mb(used)} of {_mb(BUDGET)} MB of history are used, and the finished runs need {_mb(added)} MB more: "
            "nothing was added"
        )
    room = BUDGET - used - added - coming - of_tranches
    left_out = []
    for _, file in sorted((entry for run in runs for entry in optional(run)), key=lambda entry: (-entry[0], entry[1])):
        cost = sum(map(_size, _new([file], held)))
        if cost <= max(room, 0):
            files.append(file)
            room, added = room - cost, added + cost
        else:
            left_out.append(file)
    said = [
        f"history: {_mb(used)} of {_mb(BUDGET)} MB used, {_mb(added)} MB more with this; "
        f"kept free: {_mb(coming)} MB for runs to come, {_mb(of_tranches)} MB for {len(asked(grid))} tranches"
    ]
    if left_out:
        said.append(f"left out, as there is no room: {len(left_out)} files, from {left_out[-1]} to {left_out[0]}")
    return Choice(files, left_out, "\n".join(said))


def reserved(results: Path, always: Mapping[RunDirectory, Sequence[Path]], grid: Grid) -> tuple[int, int]:
    """Return the bytes reserved for planned runs, and for the figures of tranches.

    The expected size of a run is the mean size of the finished runs of its cell, otherwise of its algorithm, otherwise
    of all runs. Tables scale with the number of steps.

    Args:
        results: Folder of the scale's results.
        always: Required files of each finished run.
        grid: The runs for which room is reserved.
    """
    finished = {f"{run.map}/{run.arm}/seed{run.seed}": run.last_step() for run in always}
    coming = [run for run in grid.runs.values() if finished.get(run.directory, 0) < run.total_steps]
    landed = history([results / LANDED])
    return sum(_expected(run, always) for run in coming), max(OF_TRANCHE * len(asked(grid)) - landed, 0)


def asked(grid: Grid) -> set[str]:
    """Return the tranches that ask for the runs of a grid."""
    return {tranche for run in grid.runs.values() for tranche in run.tranches}


def _expected(run: Run, always: Mapping[RunDirectory, Sequence[Path]]) -> int:
    of_cell = [other for other in always if (other.map, other.arm) == (run.map, run.arm)]
    of_algorithm = [other for other in always if other.config.algorithm == run.config.algorithm]
    alike = of_cell or of_algorithm or list(always)
    if not alike:
        return UNKNOWN_RUN
    return round(mean(sum(_size(file) * _longer(run, other, file) for file in always[other]) for other in alike))


def _longer(run: Run, other: RunDirectory, file: Path) -> float:
    """Return the expected size of a file in `run`, relative to its size in the other run."""
    return run.total_steps / other.last_step() if file.suffix == ".parquet" else 1.0


def history(paths: Iterable[Path]) -> int:
    """Return the size in git's object store, in bytes, of everything ever committed below these paths."""
    listed = _git("rev-list", "--objects", "HEAD", "--", *map(str, paths))
    objects = (line.partition(" ") for line in listed.splitlines())
    names = "".join(f"{name}\n" for name, _, path in objects if path)
    return sum(map(int, _git("cat-file", "--batch-check=%(objectsize:disk)", text=names).split()))


def _git(*arguments: str, text: str = "") -> str:
    return ask(["git", *arguments], text=text)


def _new(files: Iterable[Path], held: Mapping[str, str]) -> list[Path]:
    return [file for file in files if md5_of(file) != held.get(file.as_posix())]


def _size(file: Path) -> int:
    return file.stat().st_size


def _mb(size: int) -> str:
    return f"{size / MB:.1f}"
