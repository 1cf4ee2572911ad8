"""Animations of trained ROMA, one per map. They take long and are not among the figures: snakemake videos."""


rule video:
    input:
        rules.summarise.output,
    output:
        f"{FIGURES}/videos/{{map}}.gif",
    log:
        f"{LOGS}/videos/{{map}}.log",
    benchmark:
        f"{BENCHMARKS}/videos/{{map}}.tsv"
    retries: 1
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        summary=lambda wildcards, input: folder_of(input),
        directory=lambda wildcards, output: folder_of(output),
    message:
        "Animating a battle on {wildcards.map}"
    shell:
        "roma video {wildcards.map} --summary {params.summary} --out {params.directory} > {log} 2>&1"
