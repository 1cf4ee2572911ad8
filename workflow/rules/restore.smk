"""Copies of shipped runs from the bundle into place. File contents, never times, decide which runs are copied."""


rule restore:
    # All files of the run are copied; the declared ones are those that the rule train declares. `update` keeps the
    # existing files until all objects of the bundle have been checked.
    input:
        stale=stale,
    output:
        metrics=update(str(RUN.metrics_file)),
        config=update(str(RUN.config_file)),
        provenance=update(str(RUN.provenance_file)),
    log:
        f"{LOGS}/restore/{{map}}/{{arm}}/seed{{seed}}.log",
    wildcard_constraints:
        map=f"(?={SHIPPED_NAMES})[A-Za-z0-9_]+",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        record=lambda wildcards: RESTORED[run_of(wildcards).key].digest,
    message:
        "Restoring {wildcards.arm} on {wildcards.map}, seed {wildcards.seed}"
    shell:
        f"{SHIPPING} > {{log}} 2>&1"
