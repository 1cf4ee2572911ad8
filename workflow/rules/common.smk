"""The grid of the chosen scale, and the folders of its results."""

import os
import sys
from pathlib import Path

from roma.envs import ENGINES
from roma.errors import UserError
from workflow.grid import (
    check,
    expand,
    fetch_options,
    figure_files,
    figure_specifications,
    milestone_option,
    skipped_notice,
)

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
DATA = f"data/{config['engine']}/{config['scale']}"
RUN = f"{DATA}/runs/{{map}}/{{arm}}/seed{{seed}}"
LOGS = f"{DATA}/logs"
BENCHMARKS = f"{DATA}/benchmarks"
SUMMARY = f"{DATA}/summary"
FIGURES = f"figures/{config['engine']}/{config['scale']}"
MILESTONES = milestone_option(config)

# Rules call the commands that stand beside this Snakemake, also where the environment was not activated.
shell.prefix(f'export PATH="{Path(sys.executable).parent}:$PATH"; ')


wildcard_constraints:
    map="[A-Za-z0-9_]+",
    arm="[A-Za-z0-9_]+",
    seed="[0-9]+",


def folder_of(files):
    return Path(files[0]).parent.as_posix()


def run_of(wildcards):
    return GRID.runs[wildcards.map, wildcards.arm, int(wildcards.seed)]
