"""From finished runs to tidy tables, and from those to figures."""
