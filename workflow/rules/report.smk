"""One HTML page with all figures, tables and claims."""


rule report:
    input:
        tables=rules.summarise.output,
        figures=[f"{FIGURES}/{file}" for name in SHOWN for file in figure_files(name, SHOWN[name])],
    output:
        f"{FIGURES}/report.html",
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{BENCHMARKS}/report.tsv"
    retries: 1
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        summary=lambda wildcards, input: folder_of(input.tables),
        figures=lambda wildcards, output: folder_of(output),
        titles=figure_titles(GRID),
    message:
        "Writing {output}"
    shell:
        "roma report --summary {params.summary} --figures {params.figures} --out {output}"
        f" --list {quote(str(FIGURE_LIST))}"
        " > {log} 2>&1"
