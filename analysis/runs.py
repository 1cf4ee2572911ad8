"""Run directories that an analysis reads: data/<engine>/<scale>/runs/<map>/<arm>/seed<k>."""

from collections.abc import Iterable
from pathlib import Path

from roma.runs.directory import RunDirectory
from roma.support.errors import UserError


def expected_runs(root: Path, names: Iterable[str]) -> list[RunDirectory]:
    """Return the run directories with the given names, in the given order.

    Args:
        root: Data folder of a scale.
        names: Names of runs, each `map/arm/seed<k>`.

    Raises:
        UserError: A name does not have this form.
    """
    runs = []
    for name in names:
        map_name, _, rest = name.partition("/")
        arm, _, seed = rest.partition("/")
        if not (map_name and arm and seed.startswith("seed") and seed.removeprefix("seed").isdigit()):
            raise UserError(f"{name!r} is not of the form MAP/ARM/seedK")
        runs.append(RunDirectory(root / "runs" / map_name / arm / seed))
    return runs


def found_runs(root: Path) -> list[RunDirectory]:
    """Return all finished runs below `root`, sorted by map, arm and seed."""
    runs = [RunDirectory(path) for path in (root / "runs").glob("*/*/seed*")]
    return sorted((run for run in runs if run.metrics_file.exists()), key=lambda run: (run.map, run.arm, run.seed))
