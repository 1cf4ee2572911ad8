"""One rule per figure. Figures read only summaries, never runs, so that a summary is enough to draw them."""

for name, figure in SHOWN.items():

    rule:
        name:
            name
        input:
            rules.summarise.output,
            summaries_beside(figure, config),
            files_read(figure),
        output:
            [f"{FIGURES}/{file}" for file in figure_files(name, figure)],
        log:
            f"{LOGS}/{name}.log",
        benchmark:
            f"{BENCHMARKS}/{name}.tsv"
        retries: 1
        conda:
            "../../environment.yml"
        threads: 1
        resources:
            mem_mb=lambda wildcards, attempt: 2000 * attempt,
            runtime=lambda wildcards, attempt: 10 * attempt,
        params:
            summary=lambda wildcards, input: folder_of(input),
            directory=lambda wildcards, output: folder_of(output),
            figure=name,
            specification=figure,
            curves=" ".join(config["curves"]),
        message:
            f"Drawing {name}"
        shell:
            "roma plot {params.figure} --summary {params.summary} --out {params.directory} --metrics {params.curves}"
            f" --figures {quote(str(FIGURE_LIST))}"
            " > {log} 2>&1"
