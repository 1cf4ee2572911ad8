"""Collection of finished runs from the campaign's clone or another clone into the project's clone, with tracking."""

from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from analysis.measures.measurements import lacking, measure
from roma.runs.directory import RunDirectory
from roma.support.errors import UserError
from workflow.artifacts.landing import land
from workflow.artifacts.shipping import read_shipped, restore
from workflow.artifacts.tracking import ship
from workflow.campaign.clone import Named, folder_of, read_named
from workflow.campaign.merging import bring, copy_run, finished_runs, read_result
from workflow.campaign.order import family
from workflow.grid import expand, results_folder
from workflow.scale import read_scale


def collect(project: Path) -> str:
    """Copy the campaign's finished runs into the project's clone, track them and return a message for the user.

    All finished runs of the project's clone are tracked again, so that this also completes an interrupted collection.

    Args:
        project: The project's clone.

    Raises:
        UserError: There is no campaign, or `workflow.campaign.merging.bring` fails.
    """
    named, folder = read_named(project), folder_of(project)
    if not (folder / ".git").exists():
        raise UserError(f"there is no campaign in {folder}: roma campaign start makes it")
    return _bring(project, folder, named)


def merge(project: Path, other: Path) -> str:
    """Copy the finished runs of another clone, for example of another machine, into this one and track them.

    Args:
        project: The project's clone.
        other: Folder of the other clone.

    Returns:
        A message for the user.

    Raises:
        UserError: The folder is not another clone, or `workflow.campaign.merging.bring` fails.
    """
    if not other.is_dir() or other.resolve() == project.resolve():
        raise UserError(f"{other} is not the folder of another clone")
    return _bring(project, other, read_named(project))


def _bring(project: Path, source: Path, named: Named) -> str:
    scale, file = named.scale, Path("workflow", "config", f"{named.scale}.yaml")
    config = read_scale(project / file)
    results = results_folder(config)
    _restore(project, scale)
    brought = bring(source / results, project / results)
    here = finished_runs(project / results)
    said = [f"{len(brought)} runs brought from {source}; {len(here)} finished runs of scale {scale} are tracked here"]
    said += measure_runs([RunDirectory(project / results / "runs" / name) for name in here], config)
    if here:
        with chdir(project):  # DVC and git resolve paths in the working folder
            said += [ship(file, named.opened), *land(file)]
    return "\n".join(said)


def supply(project: Path, folder: Path, named: Named) -> None:
    """Copy what is finished in the project's clone into the campaign's, if that has nothing of it, as after its loss.

    A run that an open tranche asks to be longer is left out: it begins anew there, as its checkpoints do not ship.

    Args:
        project: the project's clone.
        folder: the campaign's clone.
        named: what the campaign is to run.

    Raises:
        UserError: a file that ships is damaged, or one in its place would be lost.
    """
    file = project / "workflow" / "config" / f"{named.scale}.yaml"
    config = read_scale(file) | named.opened
    results = results_folder(config)
    _restore(project, named.scale)
    for run in expand(config, str(file)).runs.values():
        source, target = (place / results / "runs" / run.directory for place in (project, folder))
        if not target.exists() and (result := read_result(source)) and result.total_steps >= run.total_steps:
            copy_run(source, target)
            for evaluation in RunDirectory(target).evaluation_folder.glob("t*.json"):
                evaluation.touch()  # Snakemake makes it again if it is older than the metrics


def _restore(project: Path, scale: str) -> None:
    for run in read_shipped(project, scale).values():
        try:
            restore(project, run)
        except ValueError as error:
            raise UserError(str(error)) from None


def measure_runs(runs: Sequence[RunDirectory], config: Mapping[str, Any]) -> list[str]:
    """Measure the roles of finished runs that lack measurements and were trained on this processor family.

    Args:
        runs: Finished runs.
        config: The scale.

    Returns:
        A message for the user about runs that were trained on other families; empty without such runs.
    """
    wanted = [run for run in runs if run.config.has_roles and lacking(run)]
    here = family() if wanted else ""
    played = config.get("rollout_episodes", {})
    elsewhere = 0
    for run in wanted:
        if run.provenance["segments"][-1]["cpu_family"] == here:
            measure(run, played.get("last", 32), played.get("earlier", 8))
        else:
            elsewhere += 1
    return [f"{elsewhere} runs wait to be measured by a collect on the processors that trained them"] * (elsewhere > 0)
