"""From configuration to figures: train every (map, arm, seed), evaluate, summarise, draw."""

from pathlib import Path

from snakemake.utils import min_version

from workflow.shipping import STUDY, read_shipped

min_version("9.0")

# Without a file, what ships of the study is drawn and nothing is trained; before any of it ships, the demo is trained.
# Snakemake merges --configfile over a configfile statement: the default is read only where no file is given.
SHIPPED_ONLY = not workflow.configfiles and bool(read_shipped(Path(), STUDY))
if not workflow.configfiles:

    configfile: f"{workflow.basedir}/workflow/config/{STUDY if SHIPPED_ONLY else 'demo'}.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/starcraft2.smk"
include: "workflow/rules/restore.smk"


if not SHIPPED_ONLY:

    include: "workflow/rules/train.smk"
    include: "workflow/rules/measure.smk"


include: "workflow/rules/summarise.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/videos.smk"


localrules:
    figures,
    restore,
    runs,
    starcraft2,
    summary,
    videos,


# Engine and actor are compiled once, rather than by all runs that start side by side. Not a rule, so that finished
# outputs never depend on it.
onstart:
    if not ENGINE.installed_apart and any(job.rule.name == "train" for job in workflow.dag.needrun_jobs()):
        print("Compiling the engine and the networks, unless they are compiled already (minutes)", file=sys.stderr)
        shell("roma compile")


# Jobs that failed to the last of their retries, with what they said last: the others may have filled the screen since.
onerror:
    print(failure_report(workflow.scheduler.failed), file=sys.stderr)


rule figures:
    default_target: True
    input:
        [f"{FIGURES}/{file}" for name in SHOWN for file in figure_files(name, SHOWN[name])],
        rules.report.output,
        rules.export.output,


rule runs:
    input:
        [file for run in GRID.runs.values() for file in run_files(run)],


rule summary:
    input:
        rules.summarise.output,


rule videos:
    input:
        [f"{FIGURES}/videos/{map_name}.gif" for map_name, arm in GRID.cells if arm == "roma"],
