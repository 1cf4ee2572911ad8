"""Checks that existing and tracked runs are those that a scale asks for.

Snakemake deletes the declared outputs of a job before its command starts and after it fails. Therefore the identities
of runs are compared while the DAG is built, before any job. On a mismatch nothing is touched.
"""

from collections.abc import Iterable
from pathlib import Path

from roma.runs.directory import MEASUREMENTS, RunDirectory
from roma.support.errors import UserError
from roma.support.schemas.reading import read_yaml
from workflow.grid import Run


def tracked(results: Path) -> set[Path]:
    """Return the folders of the runs whose metrics are in the dvc.yaml of a scale.

    Args:
        results: Folder of the scale's results.
    """
    file = results / "dvc.yaml"
    stages = read_yaml(file)["stages"] if file.exists() else {}
    outs = [Path(name) for output in stages.get("metrics", {}).get("outs", []) for name in output]
    return {path.parent for path in outs if path == RunDirectory(path.parent).metrics_file}


def lost_policies(run: Run, results: Path, evaluated: Iterable[int]) -> list[int]:
    """Return the steps of missing policies of a finished run that are needed for missing evaluations or measurements.

    Args:
        run: Run of a scale.
        results: Folder of the scale's results.
        evaluated: Environment steps of the policies whose evaluations the scale asks for.
    """
    directory = RunDirectory(results / "runs" / run.directory)
    held = directory.held_steps()
    if not held or held < run.total_steps:
        return []
    wanted = {step for step in evaluated if not directory.evaluation_file(step).exists()}
    if run.config.has_roles and not all(directory.measurement_file(name).exists() for name in MEASUREMENTS):
        wanted.add(held)
    return [step for step in sorted(wanted) if not directory.policy_file(step).exists()]


def conflict(run: Run, results: Path, known: set[Path], lost: Iterable[int] = ()) -> str:
    """Return the reason why a run must not be trained in its folder; empty if it may.

    Args:
        run: Run of a scale.
        results: Folder of the scale's results.
        known: Folders of tracked runs.
        lost: Steps from `lost_policies`. A run with a checkpoint makes them again, unless the run is tracked.
    """
    directory = RunDirectory(results / "runs" / run.directory)
    if found := directory.mismatch(run.config.to_json()):
        return (
            f"{directory.path} holds a run with {found}; nothing was touched. Give the scale another name, or remove "
            "the run to train it anew"
        )
    if directory.path in known:
        for file in (directory.config_file, directory.provenance_file, directory.metrics_file):
            if not file.exists():
                return f"{directory.path} is tracked but {file.name} is not here: dvc pull {file}"
    if directory.path in known or not directory.has_checkpoint():
        try:
            for step in lost:
                directory.kept_policy(step)
        except UserError as error:
            return str(error)
    return ""
