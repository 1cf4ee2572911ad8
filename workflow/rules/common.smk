"""Grid of the chosen scale, folders of its results, and input functions of the rules."""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from shlex import quote
from textwrap import indent

from snakemake.settings.types import DeploymentMethod

from analysis import FIGURES as FIGURE_LIST, figure_list
from analysis.measures.measurements import shown_arms
from roma.runs.config import differences
from roma.envs import ENGINES
from roma.support.errors import UserError
from roma.support.files import make_writable_directory, remove_unfinished, write_bytes
from roma.runs.directory import MEASUREMENTS, RunDirectory
from roma.support.system import owner
from workflow import cost
from workflow.artifacts import shipping
from workflow.running.console import take_the_screen
from workflow.grid import (
    checkpoint_option,
    expand,
    fetch_options,
    figure_files,
    figure_titles,
    files_read,
    milestone_option,
    milestones_of,
    results_folder,
    rollout_options,
    shown_moments,
    summaries_beside,
)
from workflow.identity import conflict, lost_policies, tracked
from workflow.campaign.order import EVALUATION, family, priorities, standing
from workflow.scale import check
from workflow.campaign.supervisor import CLUSTER, MARK, UNTIL
from workflow.running.clock import bring_back
from workflow.running.takeover import take_over
from workflow.watch import last_lines

if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
    sys.exit(
        "error: Snakemake copies environment.yml away from the files that it names, so conda must make the environment: "
        "conda env create -f environment.yml, conda activate roma, and no --software-deployment-method"
    )

EXTENSION = ".snakemake/extension"
ROOM = 2**20  # bytes for Snakemake's own files: on a full disk, it would end with a traceback
SOURCE = ", ".join(map(os.path.relpath, workflow.configfiles))

try:
    config.update(check(config, SOURCE))
    GRID = expand(config, SOURCE)
    SHOWN = figure_list.chosen(config["figures"], GRID.planned)
    if workflow.is_main_process:
        make_writable_directory(Path(EXTENSION).parent.absolute(), ROOM)
        write_bytes(Path(EXTENSION), b"%d" % time.time_ns())  # Snakemake ignores a new time without a new content
except UserError as error:
    sys.exit(f"error: {error}")

ENGINE = ENGINES[config["engine"]]
DATA = results_folder(config).as_posix()
RUN = RunDirectory(Path(DATA, "runs", "{map}", "{arm}", "seed{seed}"))
LOGS = f"{DATA}/logs"
BENCHMARKS = f"{DATA}/benchmarks"
SUMMARY = f"{DATA}/summary"
FIGURES = f"figures/{config['engine']}/{config['scale']}"
MILESTONES = milestone_option(config)
MOMENTS = shown_moments(map_name for map_name, _ in GRID.cells)
TRACKED = tracked(Path(DATA))

# Shipped runs that are long enough are restored; all of them if nothing is trained.
SHIPPED = shipping.read_shipped(Path(), config["scale"])
PLANNED = list(GRID.runs.values())
if SHIPPED_ONLY:
    GRID = replace(GRID, runs={key: run for key, run in GRID.runs.items() if run.directory in SHIPPED})
RESTORED = {
    key: shipped
    for key, run in GRID.runs.items()
    if (shipped := SHIPPED.get(run.directory)) and (SHIPPED_ONLY or shipped.total_steps >= run.total_steps)
}
SHIPPED_NAMES = f"(?:{'|'.join(sorted(shipped.name for shipped in RESTORED.values()))})/"

# Script that copies a shipped run into place. Not a parameter of a rule, so that outputs do not depend on the clone's
# path.
SHIPPING = f"python {quote(shipping.__file__)} {{wildcards.map}}/{{wildcards.arm}}/seed{{wildcards.seed}} --scale {config['scale']}"

# Rules call the commands of this Snakemake's environment, even if it is not activated. The commands end with this
# process, even if it is killed. In every locale, they find a clone whose path has letters beyond ASCII: an editable
# install names the path in UTF-8. A prefix replaces Snakemake's strict mode, so the strict mode is set again here.
shell.prefix(
    f'set -euo pipefail; export PYTHONUTF8=1 PATH="{Path(sys.executable).parent}:$PATH"'
    f' {owner.VARIABLE}="{owner.mark()}"; '
)

if workflow.is_main_process:
    owner.end_with_owner()
    take_over()


# In a campaign, the order of the runs is computed once, here.
PRIORITIES = {}
if workflow.is_main_process and MARK in os.environ:
    here = None if CLUSTER in os.environ else family()
    left = float(os.environ.get(UNTIL, "inf")) - time.time()
    speeds = cost.read_speeds()
    standings = [standing(run, Path(DATA), here, GRID.tranches, speeds) for run in GRID.runs.values()]
    PRIORITIES = priorities(standings, left)


wildcard_constraints:
    map="[A-Za-z0-9_]+",
    arm="[A-Za-z0-9_]+",
    seed="[0-9]+",
    step="[0-9]+",


def folder_of(files):
    return Path(files[0]).parent.as_posix()


def run_of(wildcards):
    return GRID.runs[wildcards.map, wildcards.arm, int(wildcards.seed)]


def held_steps(run):
    return RunDirectory(Path(DATA, "runs", run.directory)).held_steps()


def shipped_steps(run):
    return SHIPPED[run.directory].total_steps if run.directory in SHIPPED else 0


def steps_of(run):
    """Return the total steps of a run: a longer complete run of the same identity replaces a shorter one."""
    return max(0 if SHIPPED_ONLY else run.total_steps, held_steps(run), shipped_steps(run))


STEPS = {key: steps_of(run) for key, run in GRID.runs.items()}

if workflow.is_main_process:
    take_the_screen(workflow, list(GRID.runs.values()), Path(DATA))
    there = {run.key: max(held_steps(run), shipped_steps(run)) for run in PLANNED}
    said = cost.notice(config["scale"], PLANNED, there, len(RESTORED) if SHIPPED_ONLY else None)
    print(said, end="\n" if said else "", file=sys.stderr)


def run_files(run):
    """Return the files of a run that the summary reads."""
    directory = RunDirectory(Path(DATA, "runs", run.directory))
    files = [directory.config_file, directory.metrics_file, directory.provenance_file]
    if run.key in RESTORED:  # restoring these files copies all shipped files of the run
        return map(str, files)
    evaluated = GRID.evaluated_steps(run, STEPS, milestones_of(config))
    measured = map(directory.measurement_file, MEASUREMENTS if run.config.has_roles else [])
    return map(str, [*files, *map(directory.evaluation_file, evaluated), *measured])


if workflow.is_main_process:
    bring_back(Path(file) for run in GRID.runs.values() for file in run_files(run))
    bring_back([file for folder in (SUMMARY, FIGURES) for file in Path(folder).rglob("*")])
    bring_back([Path(file) for figure in SHOWN.values() for file in files_read(figure)])


def extension(wildcards):
    """Return a file that is newer than all outputs, `ancient` unless the existing run is too short or lacks policies.

    Snakemake detects a change of `steps` by its own records, which a fresh clone with pulled runs does not have.
    """
    run = run_of(wildcards)
    return EXTENSION if 0 < held_steps(run) < run.total_steps or lost(run) else ancient(EXTENSION)


def lost(run):
    """Return the steps of policies that evaluations or measurements need and that a checkpoint can make again."""
    return lost_policies(run, Path(DATA), GRID.evaluated_steps(run, STEPS, milestones_of(config)))


def stale(wildcards):
    """Return the file of `extension` for a shipped run, `ancient` unless one of its files is missing or outdated.

    Exits with an error if the bundle is damaged, or if the shipped run has another identity.
    """
    run = run_of(wildcards)
    shipped = RESTORED[run.key]
    try:
        wanted = shipping.to_restore(Path(), shipped)
    except ValueError as error:
        sys.exit(f"error: {error}")
    if wanted and (problems := shipping.broken(Path(), shipped)):
        sys.exit(f"error: {'; '.join(problems)}")
    if not SHIPPED_ONLY and (found := differences(shipping.config(Path(), shipped), run.config.to_json())):
        sys.exit(f"error: {shipped.path} ships with {', '.join(found)}: give the scale another name")
    return EXTENSION if wanted else ancient(EXTENSION)


def refuse_conflict(wildcards):
    """Exit with an error if the run must not be trained in its folder; there are no input files.

    This is an input function, because Snakemake calls those while it builds the DAG, before it deletes any output.
    """
    run = run_of(wildcards)
    problem = conflict(run, Path(DATA), TRACKED.difference(run.path for run in SHIPPED.values()), lost(run))
    if problem:
        sys.exit(f"error: {problem}")
    return []


def priority_of(wildcards):
    """Return the priority of a run: the order of the campaign, if there is one, otherwise that of the tranches."""
    run = run_of(wildcards)
    return PRIORITIES.get(run.key, 0) if PRIORITIES else GRID.priority(run, held_steps(run))


def remove_leftovers():
    """Remove the unfinished files of killed jobs. Training does so in its own folders."""
    for folder in (Path(FIGURES), Path(SUMMARY), *(run.path for run in RESTORED.values())):
        for place in (folder, *filter(Path.is_dir, folder.rglob("*"))):
            remove_unfinished(place)


def failure_report(jobs):
    """Return one paragraph for each failed job: rule, wildcards, and the last lines of its logs."""
    if not jobs:  # Snakemake was told to end, or could not write its own files
        return "STOPPED before all jobs were done; the same command goes on from here"
    lines = [f"FAILED: {len(jobs)} jobs"]
    for job in sorted(jobs, key=str):
        names = " ".join(map(str, job.wildcards))
        lines.append(f"  {job.rule.name} {names}: see {' '.join(map(str, job.log))}")
        lines += [indent(last_lines(Path(log)), "    | ") for log in job.log]
    return "\n".join(lines)
