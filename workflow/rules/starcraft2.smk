"""Download and checks of StarCraft II, once before any training on it; other engines need no download."""

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
        "Downloading missing parts of StarCraft II and its maps, and checking all parts: see {log}"
    shell:
        "(roma starcraft2 fetch {params.options} && roma starcraft2 doctor --report {output}) < /dev/null > {log} 2>&1"
