"""Studies outside the grid, recorded in docs: learning of single runs, and readings of the paper."""
