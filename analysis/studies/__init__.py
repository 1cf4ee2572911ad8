"""Studies beside the grid, recorded in docs: what was seen to learn, and readings of the paper."""
