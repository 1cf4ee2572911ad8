"""From configuration to figures: train every (map, arm, seed), evaluate, summarise, draw."""

from snakemake.utils import min_version

min_version("9.0")

# Snakemake merges --configfile over a configfile statement: the default is read only where no file is given.
if not workflow.configfiles:

    configfile: "workflow/config/demo.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/starcraft2.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/summarise.smk"
include: "workflow/rules/figures.smk"


localrules:
    figures,
    starcraft2,
    summary,


rule figures:
    default_target: True
    input:
        [f"{FIGURES}/{file}" for name in SHOWN for file in figure_files(name, SHOWN[name])],


rule summary:
    input:
        rules.summarise.output,
