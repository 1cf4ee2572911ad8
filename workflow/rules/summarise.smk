"""Summary of all runs in a few tidy tables."""

TABLES = ["runs", "plan", "curves", "intervals", "evaluations", "finals", "settings", "cost"]
TABLES += ["role_health", "roles", "episodes", "dissimilarity"]


rule summarise:
    input:
        [file for run in GRID.runs.values() for file in run_files(run)],
    output:
        [f"{SUMMARY}/{table}.parquet" for table in TABLES],
    log:
        f"{LOGS}/summarise.log",
    benchmark:
        f"{BENCHMARKS}/summarise.tsv"
    retries: 1
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        directory=lambda wildcards, output: Path(folder_of(output)).parent.as_posix(),
        shipped=" ".join(shipped.digest for shipped in RESTORED.values()),
        runs=" ".join(run.directory for run in GRID.runs.values()),
        episodes=sorted(shown_arms() & {arm for _, arm in GRID.cells}),
        planned=" ".join(f"{name}/{arm}={seeds}" for (name, arm), seeds in GRID.planned.items()),
        withheld=quote(config.get("withheld", "")),
    message:
        "Summarising {DATA}/runs"
    shell:
        "roma summarise {params.directory} --runs {params.runs}"
        " --planned {params.planned} --withheld {params.withheld}"
        " > {log} 2>&1"
