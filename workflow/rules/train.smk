"""Training and evaluation: one training job per run, one evaluation job per evaluated policy."""


rule train:
    # Only files are declared, never the folder: Snakemake deletes the declared outputs of a failed job, and the
    # checkpoints must survive that. `update` keeps a complete shorter run until the longer one replaces it, at its end
    # and in one step. The metrics are written last, because a run with metrics counts as complete. A run of another
    # identity is never replaced: `refuse_conflict` stops before any job.
    input:
        [ancient(file) for file in INSTALLATION],
        conflicts=refuse_conflict,
        extension=extension,
    output:
        metrics=update(str(RUN.metrics_file)),
        config=update(str(RUN.config_file)),
        provenance=update(str(RUN.provenance_file)),
    log:
        f"{LOGS}/train/{{map}}/{{arm}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/train/{{map}}/{{arm}}/seed{{seed}}.tsv"
    wildcard_constraints:
        map=f"(?!{SHIPPED_NAMES})[A-Za-z0-9_]+",
    priority: priority_of
    retries: 2
    conda:
        "../../environment.yml"
    threads: lambda wildcards: run_of(wildcards).processes
    resources:
        mem_mb=lambda wildcards, attempt: run_of(wildcards).memory_mb(attempt),
        runtime=lambda wildcards, attempt: run_of(wildcards).runtime_minutes(attempt),
    params:
        steps=lambda wildcards: steps_of(run_of(wildcards)),
        options=lambda wildcards: run_of(wildcards).options,
        directory=lambda wildcards, output: folder_of(output),
    message:
        "Training {wildcards.arm} on {wildcards.map}, seed {wildcards.seed}"
    shell:
        f"({SHIPPING} --make-way"
        " && roma train {params.options} --steps {params.steps} --out {params.directory} --wait --same-family"
        f" --milestones {MILESTONES} {checkpoint_option(config)}) > {{log}} 2>&1"


rule evaluate:
    input:
        str(RUN.metrics_file),
    output:
        str(RUN.evaluation_file("{step}")),
    log:
        f"{LOGS}/evaluate/{{map}}/{{arm}}/seed{{seed}}/t{{step}}.log",
    benchmark:
        f"{BENCHMARKS}/evaluate/{{map}}/{{arm}}/seed{{seed}}/t{{step}}.tsv"
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
        episodes=config["evaluation_episodes"],
        directory=lambda wildcards, input: folder_of(input),
    message:
        "Evaluating {wildcards.arm} on {wildcards.map}, seed {wildcards.seed}, at {wildcards.step} steps"
    shell:
        "roma evaluate {params.directory} --step {wildcards.step} --episodes {params.episodes} --replace > {log} 2>&1"
