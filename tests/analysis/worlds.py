"""Shared code of simulated studies: five seeds of runs with 20 untrained networks each, and rows of their roles."""

import numpy as np

from tests.analysis.summaries import STEPS

SEEDS, NETWORKS, EPISODES = 5, 20, 16
MARINES = ["Marine"] * 10
ZERG = ["Baneling"] * 4 + ["Zergling"] * 6
ABLATIONS = ("MMM2", "10z5b_vs_2s3z", "10m_vs_11m")
COURSE = (np.array([0, 0.2, 0.5, 1, 2, 3, 4, 6, 8, 10]) * STEPS / 10).astype(int)  # milestones


def row(cell, measure, values, reference="roles", stage=STEPS, chance=np.nan):
    return cell, measure, stage, reference, np.asarray(values, float), chance


def several(number, draw):
    """Return one value for each seed or network."""
    return [draw() for _ in range(number)]
