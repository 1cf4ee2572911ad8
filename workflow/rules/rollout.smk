"""Recorded episodes of every run whose agents have roles."""


rule rollout:
    input:
        str(RUN.metrics_file),
    output:
        f"{DATA}/rollouts/{{map}}/{{arm}}/seed{{seed}}.safetensors",
    log:
        f"{LOGS}/rollout/{{map}}/{{arm}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/rollout/{{map}}/{{arm}}/seed{{seed}}.tsv"
    priority: len(GRID.tranches) + 1
    retries: 2
    conda:
        "../../environment.yml"
    threads: ENGINE.side_by_side if ENGINE.battle_memory_mb else 1
    resources:
        mem_mb=lambda wildcards, attempt: (1500 + ENGINE.side_by_side * ENGINE.battle_memory_mb) * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        options=rollout_options(config),
        directory=lambda wildcards, input: folder_of(input),
    message:
        "Recording episodes of {wildcards.arm} on {wildcards.map}, seed {wildcards.seed}"
    shell:
        "roma rollout {params.directory} {params.options} --out {output} > {log} 2>&1"
