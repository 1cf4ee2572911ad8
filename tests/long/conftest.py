"""Fixtures of the workflow's tests."""

from tests.workflow.conftest import repository, snakemake

__all__ = ["repository", "snakemake"]
