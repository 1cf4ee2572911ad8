"""Pipeline from a scale file to its figures: train every (map, arm, seed), evaluate, summarise, draw."""

from pathlib import Path

from snakemake.utils import min_version

from workflow.artifacts.shipping import STUDY, read_shipped

min_version("9.0")

# Without --configfile, the shipped runs of the study are drawn and nothing is trained; if no run ships, the demo is
# trained. Snakemake merges --configfile with the configfile statement, so the statement is used only without a file.
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


# Engine, actor and learners are compiled once, instead of by all runs that start at the same time. Not a rule, so that
# finished outputs never depend on it.
onstart:
    remove_leftovers()
    if not ENGINE.installed_apart and any(job.rule.name == "train" for job in workflow.dag.needrun_jobs()):
        print("Compiling the engine and the networks, unless they are compiled already (minutes)", file=sys.stderr)
        shell("roma compile")


# The report lists the failed jobs with their last log lines, because later output may have scrolled them off the
# screen.
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
