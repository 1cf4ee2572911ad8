"""All runs into a few tidy tables."""

TABLES = ["runs", "curves", "intervals", "finals", "settings", "cost"]
TABLES += ["role_health", "roles", "episodes", "dissimilarity"]
RUN_FILES = ["config.json", "metrics.parquet", "provenance.json", "evaluation.json"]


rule summarise:
    input:
        [f"{DATA}/runs/{run.directory}/{file}" for run in GRID.runs.values() for file in RUN_FILES],
        [f"{DATA}/rollouts/{run.directory}.safetensors" for run in GRID.runs.values() if run.config.has_roles],
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
        cells=" ".join(f"{map_name}/{arm}" for map_name, arm in GRID.cells),
        seeds=" ".join(map(str, config["seeds"])),
        moments=shown_moments(),
    message:
        "Summarising {DATA}/runs"
    shell:
        "python -m analysis summarise {params.directory} --cells {params.cells} --seeds {params.seeds}"
        f" --figures {quote(str(FIGURE_LIST))}"
        " > {log} 2>&1"
