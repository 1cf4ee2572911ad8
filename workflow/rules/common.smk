"""The grid of the chosen scale, and the folders of its results."""

import os
import sys
import time
from pathlib import Path
from shlex import quote
from textwrap import indent

from roma.envs import ENGINES
from roma.errors import UserError
from roma.files import file_digest
from roma.provenance import git_revision
from roma.runs.directory import RunDirectory
from roma.support import owner
from workflow.cost import read_speeds
from workflow.grid import FIGURES as FIGURE_LIST
from workflow.grid import (
    check,
    checkpoint_option,
    expand,
    fetch_options,
    figure_files,
    figure_specifications,
    figure_titles,
    files_read,
    milestone_option,
    milestones_of,
    results_folder,
    rollout_options,
    shown_moments,
    skipped_notice,
    summaries_beside,
)
from workflow.identity import conflict, tracked
from workflow.order import EVALUATION, family, priorities, standing
from workflow.supervisor import CLUSTER, MARK, UNTIL
from workflow.takeover import take_over
from workflow.verify import drawn, recorded
from workflow.watch import last_lines

SOURCE = ", ".join(map(os.path.relpath, workflow.configfiles))

try:
    check(config, SOURCE)
    GRID = expand(config, SOURCE)
    SHOWN = figure_specifications(config["figures"])
except UserError as error:
    sys.exit(f"error: {error}")

if GRID.skipped and workflow.is_main_process:
    print(skipped_notice(GRID, config["scale"]), file=sys.stderr)

ENGINE = ENGINES[config["engine"]]
DATA = results_folder(config).as_posix()
RUN = RunDirectory(Path(DATA, "runs", "{map}", "{arm}", "seed{seed}"))
LOGS = f"{DATA}/logs"
BENCHMARKS = f"{DATA}/benchmarks"
SUMMARY = f"{DATA}/summary"
FIGURES = f"figures/{config['engine']}/{config['scale']}"
VERIFICATION = f"{DATA}/verification"
MILESTONES = milestone_option(config)
TRACKED = tracked(Path(DATA))
EXTENSION = ".snakemake/extension"

if workflow.is_main_process:
    Path(EXTENSION).parent.mkdir(exist_ok=True)
    Path(EXTENSION).touch()

# Rules call the commands that stand beside this Snakemake, also where the environment was not activated. The commands
# end with this process, also when it is killed. The strict mode is Snakemake's own, whose place a prefix takes.
shell.prefix(
    f'set -euo pipefail; export PATH="{Path(sys.executable).parent}:$PATH" {owner.VARIABLE}="{owner.mark()}"; '
)

if workflow.is_main_process:
    owner.end_with_owner()
    take_over()


# In a campaign, the order of its runs is decided here, once.
PRIORITIES = {}
if workflow.is_main_process and MARK in os.environ:
    here = None if CLUSTER in os.environ else family()
    left = float(os.environ.get(UNTIL, "inf")) - time.time()
    speeds = read_speeds()
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


def steps_of(run):
    """A longer complete run of the same identity takes the place of a shorter one."""
    return max(run.total_steps, held_steps(run))


STEPS = {key: steps_of(run) for key, run in GRID.runs.items()}


def run_files(run):
    """What the summary reads of a run, rollouts apart."""
    directory = RunDirectory(Path(DATA, "runs", run.directory))
    files = [directory.config_file, directory.metrics_file, directory.provenance_file]
    evaluated = GRID.evaluated_steps(run, STEPS, milestones_of(config))
    return map(str, [*files, *map(directory.evaluation_file, evaluated)])


def extension(wildcards):
    """A file that is newer than all outputs, and is heeded where the run that is here is too short.

    Snakemake notices a changed `steps` by its own records, which a fresh clone with pulled runs does not have.
    """
    run = run_of(wildcards)
    return EXTENSION if 0 < held_steps(run) < run.total_steps else ancient(EXTENSION)


def refuse_conflict(wildcards):
    """No input: input functions are called while the DAG is built, before any output is deleted."""
    problem = conflict(run_of(wildcards), Path(DATA), TRACKED)
    if problem:
        sys.exit(f"error: {problem}")
    return []


def priority_of(wildcards):
    """A campaign's order, or else that of the tranches."""
    run = run_of(wildcards)
    return PRIORITIES.get(run.key, 0) if PRIORITIES else GRID.priority(run, held_steps(run))


def recorded_run(wildcards):
    return recorded(results_folder(config), wildcards.map, wildcards.arm, int(wildcards.seed))


def verdicts_of(wildcards):
    try:
        return [f"{VERIFICATION}/verdicts/{run}.json" for run in drawn(config)]
    except UserError as error:
        sys.exit(f"error: {error}")


def failure_report(jobs):
    """One paragraph a failed job: its rule and wildcards, its logs and their last lines."""
    lines = [f"FAILED: {len(jobs)} jobs"]
    for job in sorted(jobs, key=str):
        names = " ".join(map(str, job.wildcards))
        lines.append(f"  {job.rule.name} {names}: see {' '.join(map(str, job.log))}")
        lines += [indent(last_lines(Path(log)), "    | ") for log in job.log]
    return "\n".join(lines)
