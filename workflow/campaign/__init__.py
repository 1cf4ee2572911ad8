"""`roma campaign`: a long study that trains in the background, in a separate clone and environment.

The tracked file workflow/campaign.yaml of the project's clone gives the plan: a revision, and the open tranches of a
scale. The campaign's clone beside it has that revision checked out and trains the runs of these tranches with Snakemake
(workflow/campaign/supervisor.py). It holds the results until `collect` copies them into the project's clone.
"""
