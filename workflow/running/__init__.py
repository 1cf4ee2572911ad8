"""A running Snakemake: its screen, and its locks after it was killed."""
