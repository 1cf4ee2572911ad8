"""From finished runs to tidy tables, and from those to figures."""

from pathlib import Path

FIGURES = Path(__file__).parents[1] / "workflow" / "config" / "figures.yaml"  # of this clone, wherever it is called
