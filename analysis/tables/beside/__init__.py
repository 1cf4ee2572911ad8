"""Tables of our results beside those of others: the released runs of StarCraft II, the paper, the authors' code."""
