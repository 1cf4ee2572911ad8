"""QMIX, its ablations, IQL and VDN: their settings and their learner."""
