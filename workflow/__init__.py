"""The DAG: what is made from what. Nothing here computes a result."""
