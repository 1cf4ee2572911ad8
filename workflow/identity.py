"""Whether the runs that are here, or tracked, are those that a scale asks for.

Snakemake deletes what a job declares before the command starts and after it fails. So the identity of a run is compared
while the DAG is built, before any job: on a mismatch nothing is touched.
"""

from pathlib import Path

import yaml

from roma.runs.directory import RunDirectory
from workflow.grid import Run


def tracked(results: Path) -> set[Path]:
    """Return the folders of the runs whose metrics are in the dvc.yaml of this scale."""
    file = results / "dvc.yaml"
    stages = yaml.safe_load(file.read_text())["stages"] if file.exists() else {}
    outs = [Path(name) for output in stages.get("metrics", {}).get("outs", []) for name in output]
    return {path.parent for path in outs if path == RunDirectory(path.parent).metrics_file}


def conflict(run: Run, results: Path, known: set[Path]) -> str:
    """Return in words why `run` must not be trained in its folder, empty if it may.

    Args:
        run: The run of a scale.
        results: The folder of the scale's results.
        known: The folders of tracked runs.
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
    return ""
