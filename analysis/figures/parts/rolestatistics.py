"""Numbers printed beside drawn roles: their noise, and the silhouettes of groups of agents with their nulls."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.measures import nulls, roles
from analysis.measures.rollouts import ROLE_COLUMNS, SIGMA_COLUMNS

SEED = 0  # of the draws of nulls
PLACES = 3  # groups of agents by their positions, as in the measure silhouette_position


class Noise(NamedTuple):
    """Noise of the living agents' roles at one moment."""

    sigma: float  # root mean square of the standard deviations, over agents and dimensions
    share: float  # of the variance of sampled roles that lies between the agents' means


def living(units: pd.DataFrame) -> pd.DataFrame:
    """Return the living agents among the units of a moment."""
    return units[units["is_agent"].astype(bool) & (units["health"] > 0)]


def noise(units: pd.DataFrame) -> Noise:
    """Return the noise of the roles of the living agents among the units of a moment."""
    agents = living(units)
    variances = agents[SIGMA_COLUMNS].to_numpy(float) ** 2
    between, within = agents[ROLE_COLUMNS].to_numpy(float).var(0).sum(), variances.mean(0).sum()
    return Noise(float(np.sqrt(variances.mean())), float(between / (between + within)))


def silhouette_of(units: pd.DataFrame, by: str) -> tuple[str, float, float] | None:
    """Return the name of a silhouette of the living agents' role means, its value, and its null.

    The null is the mean over roles that are exchanged at random among these agents.

    Args:
        units: Rows of the table `episodes` at one moment.
        by: "type" for groups by unit type, "position" for PLACES groups by position (k-means).

    Returns:
        None if there are no such groups, or fewer than two.
    """
    agents = living(units)
    points, counted = agents[ROLE_COLUMNS].to_numpy(float)[None], np.ones((1, len(agents)), bool)
    if by == "type":
        labels = np.unique(agents["type"].astype(str), return_inverse=True)[1].astype(np.int64)
    elif by == "position" and len(agents) > PLACES:
        labels = roles.clusters(agents[["x", "y"]].to_numpy(float)[None], counted, PLACES)[0]
    else:
        return None
    if len(set(labels.tolist())) < 2:
        return None
    rng = np.random.default_rng(SEED)
    drawn = [silhouette(nulls.permuted(points, counted, rng)[0], labels) for _ in range(nulls.DRAWS)]
    name = "unit type" if by == "type" else "position"
    return name, silhouette(points[0], labels), float(np.mean(drawn))


def silhouette(points: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Return the silhouette of groups (A,) of points (A, F)."""
    return float(roles.silhouette(roles.distances(points[None]), labels[None])[0])
