"""Fixtures of the workflow's tests."""

from tests.workflow.campaign.test_campaign import called, environment, project
from tests.workflow.conftest import repository, snakemake, state

__all__ = ["called", "environment", "project", "repository", "snakemake", "state"]
