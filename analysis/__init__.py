"""Analysis of finished runs: tidy tables, and the figures, tables and report made from them."""

from pathlib import Path

FIGURES = Path(__file__).parents[1] / "workflow" / "config" / "figures.yaml"  # found from any working directory
