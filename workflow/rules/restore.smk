"""Runs that ship, from the bundle into place. Which ones need it is decided by their contents, never by times."""


rule restore:
    # Every file of the run is copied; declared are those that train makes of others. They are updated: until all of its
    # objects were found to be whole, what is in place stays.
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
