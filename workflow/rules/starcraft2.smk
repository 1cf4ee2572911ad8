"""The real game, fetched and checked once before anything is trained on it; other engines need nothing."""

INSTALLATION = [f"data/{config['engine']}/installation.txt"] if ENGINE.installed_apart else []


rule starcraft2:
    output:
        "data/starcraft2/installation.txt",
    log:
        "data/starcraft2/installation.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        options=fetch_options(config),
    message:
        "Fetching what is missing of StarCraft II and its maps, and checking all of it: see {log}"
    shell:
        "(roma starcraft2 fetch {params.options} && roma starcraft2 doctor --report {output}) < /dev/null > {log} 2>&1"
