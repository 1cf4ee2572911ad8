"""One job per run, and the battles that judge it."""


rule train:
    # Only files are declared, and never the folder: Snakemake deletes what a job declares when it fails, and the
    # checkpoints must survive that. The policies are not declared either, as their names follow the run's horizon. The
    # metrics are written last: where they are, everything is. Nothing but the configuration's hash and the horizon
    # makes a run run again; the other options follow from the hash. A run of another configuration is replaced: here the
    # scale file decides what lies in a folder.
    input:
        [ancient(file) for file in INSTALLATION],
    output:
        metrics=f"{RUN}/metrics.parquet",
        config=f"{RUN}/config.json",
        provenance=f"{RUN}/provenance.json",
    log:
        f"{LOGS}/train/{{map}}/{{arm}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/train/{{map}}/{{arm}}/seed{{seed}}.tsv"
    priority: lambda wildcards: PRIORITIES.get(run_of(wildcards).key, 0)
    retries: 2
    conda:
        "../../environment.yml"
    threads: lambda wildcards: run_of(wildcards).processes
    resources:
        mem_mb=lambda wildcards, attempt: run_of(wildcards).memory_mb(attempt),
        runtime=lambda wildcards, attempt: run_of(wildcards).runtime_minutes(attempt),
    params:
        config=lambda wildcards: run_of(wildcards).config.hash,
        steps=lambda wildcards: run_of(wildcards).horizon,
        options=lambda wildcards: run_of(wildcards).options,
        directory=lambda wildcards, output: folder_of(output),
    message:
        "Training {wildcards.arm} on {wildcards.map}, seed {wildcards.seed}"
    shell:
        "roma train {params.options} --steps {params.steps} --out {params.directory} --replace --wait --same-family"
        f" --milestones {MILESTONES} {checkpoint_option(config)}"
        " > {log} 2>&1"


rule evaluate:
    input:
        f"{RUN}/metrics.parquet",
    output:
        f"{RUN}/evaluation.json",
    log:
        f"{LOGS}/evaluate/{{map}}/{{arm}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/evaluate/{{map}}/{{arm}}/seed{{seed}}.tsv"
    priority: EVALUATION
    retries: 2
    conda:
        "../../environment.yml"
    threads: ENGINE.side_by_side if ENGINE.battle_memory_mb else 1
    resources:
        mem_mb=lambda wildcards, attempt: (1500 + ENGINE.side_by_side * ENGINE.battle_memory_mb) * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        episodes=config["evaluation_episodes"],
        directory=lambda wildcards, input: folder_of(input),
    message:
        "Evaluating {wildcards.arm} on {wildcards.map}, seed {wildcards.seed}"
    shell:
        "roma evaluate {params.directory} --episodes {params.episodes} > {log} 2>&1"
