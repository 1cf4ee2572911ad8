"""Pages of docs that are made from runs and code."""
