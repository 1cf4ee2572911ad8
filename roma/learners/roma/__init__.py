"""ROMA, its ablations and the released variant: their settings, losses and learner."""
