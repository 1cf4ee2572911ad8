"""Averages of measures over moments, episodes and repetitions."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

Measures = dict[str, float]


def mean(values: NDArray[Any]) -> float:
    """Return the mean of all values that are not NaN; NaN if there are none."""
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        return float(np.nanmean(values))


def averaged(found: list[Measures]) -> Measures:
    """Return the mean of each measure over repetitions, all of which have the same measures."""
    return {name: mean(np.array([each[name] for each in found])) for name in found[0]}
