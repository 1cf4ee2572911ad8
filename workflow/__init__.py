"""Workflow: the DAG of runs, tables and figures, tracking, and campaigns. Nothing here computes a result."""
