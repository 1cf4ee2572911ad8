"""How measures of moments become measures of episodes."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

Measures = dict[str, float]


def mean(values: NDArray[Any]) -> float:
    """Return the mean of what is not NaN; of nothing it is NaN."""
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        return float(np.nanmean(values))


def averaged(found: list[Measures]) -> Measures:
    """Return the mean of each measure over repetitions that all have it."""
    return {name: mean(np.array([each[name] for each in found])) for name in found[0]}
