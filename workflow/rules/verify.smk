"""Finished runs, drawn at random, trained again from their recorded configuration and compared with what was recorded.

The recorded files are no inputs: nothing that verifies a run may make Snakemake train it.
"""


rule verify:
    input:
        f"{VERIFICATION}/verdicts.csv",
    log:
        f"{LOGS}/verify.log",
    conda:
        "../../environment.yml"
    message:
        "The verdicts on runs that were trained again"
    shell:
        "python -m analysis.verification judge {input} 2>&1 | tee {log}"


rule verdicts:
    input:
        verdicts_of,
    output:
        multiext(f"{VERIFICATION}/verdicts", ".csv", ".md"),
    log:
        f"{LOGS}/verdicts.log",
    conda:
        "../../environment.yml"
    params:
        directory=lambda wildcards, output: folder_of(output),
    message:
        "Collecting the verdicts"
    shell:
        "python -m analysis.verification table {input} --out {params.directory} > {log} 2>&1"


rule verdict:
    # Again for each revision of the code, from nothing, and whenever what was recorded changes.
    output:
        f"{VERIFICATION}/verdicts/{{map}}/{{arm}}/seed{{seed}}.json",
    log:
        f"{LOGS}/verify/{{map}}/{{arm}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/verify/{{map}}/{{arm}}/seed{{seed}}.tsv"
    retries: 2
    conda:
        "../../environment.yml"
    threads: lambda wildcards: recorded_run(wildcards).processes
    resources:
        mem_mb=lambda wildcards, attempt: recorded_run(wildcards).memory_mb(attempt),
        runtime=lambda wildcards, attempt: recorded_run(wildcards).runtime_minutes(attempt),
    params:
        options=lambda wildcards: recorded_run(wildcards).options,
        steps=lambda wildcards: recorded_run(wildcards).total_steps,
        recorded=lambda wildcards: f"{DATA}/runs/{recorded_run(wildcards).directory}",
        again=lambda wildcards: f"{VERIFICATION}/runs/{git_revision()[0]}/{recorded_run(wildcards).directory}",
        digest=lambda wildcards: file_digest(
            RunDirectory(Path(DATA, "runs", recorded_run(wildcards).directory)).metrics_file
        ),
    message:
        "Training {wildcards.arm} on {wildcards.map}, seed {wildcards.seed}, again"
    shell:
        "(roma train {params.options} --steps {params.steps} --milestones none --out {params.again} --replace --wait"
        " && python -m analysis.verification compare {params.recorded} {params.again} --out {output}"
        " && rm -r {params.again}) > {log} 2>&1"
