"""All runs in the JSON that marl-eval reads."""


rule export:
    input:
        rules.summarise.output,
    output:
        f"{FIGURES}/marl_eval.json",
    log:
        f"{LOGS}/export.log",
    benchmark:
        f"{BENCHMARKS}/export.tsv"
    retries: 1
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        summary=lambda wildcards, input: folder_of(input),
    message:
        "Writing {output}"
    shell:
        "roma export --summary {params.summary} --out {output} > {log} 2>&1"
