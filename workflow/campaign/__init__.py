"""`roma campaign`: a long study that runs beside other work, in a clone and an environment of its own.

The project's clone says what runs, in the tracked file workflow/campaign.yaml: a revision, and the open tranches of a
scale. The campaign's clone beside it has that revision checked out, trains the runs of these tranches with Snakemake
(workflow/campaign/supervisor.py), and holds their results until `collect` brings them into the project's clone.
"""
