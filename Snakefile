"""From configuration to figures: train every (map, arm, seed), evaluate, summarise, draw."""

from snakemake.utils import min_version

min_version("9.0")

# Snakemake merges --configfile over a configfile statement: the default is read only where no file is given.
if not workflow.configfiles:

    configfile: f"{workflow.basedir}/workflow/config/demo.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/starcraft2.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/rollout.smk"
include: "workflow/rules/summarise.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/videos.smk"


localrules:
    figures,
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


rule runs:
    input:
        [file for run in GRID.runs.values() for file in run_files(run)],


rule summary:
    input:
        rules.summarise.output,


rule videos:
    input:
        [f"{FIGURES}/videos/{map_name}.gif" for map_name, arm in GRID.cells if arm == "roma"],
