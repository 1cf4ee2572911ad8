"""Measurements of roles, for each run with roles, from its weights."""


rule measure:
    input:
        str(RUN.metrics_file),
    output:
        [str(RUN.measurement_file(name)) for name in MEASUREMENTS],
    log:
        f"{LOGS}/measure/{{map}}/{{arm}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/measure/{{map}}/{{arm}}/seed{{seed}}.tsv"
    wildcard_constraints:
        map=f"(?!{SHIPPED_NAMES})[A-Za-z0-9_]+",
    priority: EVALUATION
    retries: 2
    conda:
        "../../environment.yml"
    threads: ENGINE.side_by_side if ENGINE.battle_memory_mb else 1
    resources:
        mem_mb=lambda wildcards, attempt: (1500 + ENGINE.side_by_side * ENGINE.battle_memory_mb) * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        options=rollout_options(config),
        moments=lambda wildcards: MOMENTS[wildcards.map],
        directory=lambda wildcards, input: folder_of(input),
    message:
        "Measuring the roles of {wildcards.arm} on {wildcards.map}, seed {wildcards.seed}"
    shell:
        "roma measure {params.directory} {params.options} --replace > {log} 2>&1"
