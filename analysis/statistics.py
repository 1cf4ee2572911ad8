"""Statistics over seeds, as pure functions of arrays.

The mean over few seeds has a Student t interval, whose coverage is exact for normal samples. If a fifth of all seeds
collapse, many samples of a few seeds contain no collapsed seed: 95 % intervals then cover the mean in 49 % of samples
of three seeds and in 66 % of samples of five (level 0.8, deviation 0.03). Therefore every seed is drawn beside the
mean, and the error rates of the verdicts are simulated (docs/operating_characteristics.md).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

LEVEL = 0.95
ALPHA = 0.05
FEWEST_SEEDS = 3  # least number of seeds for an interval

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """Mean and confidence interval at each point; `low` and `high` are NaN for fewer than FEWEST_SEEDS seeds."""

    mean: Floats  # (P,)
    low: Floats  # (P,)
    high: Floats  # (P,)
    n: NDArray[np.int64]  # (P,) seeds with a value


def student_interval(scores: Floats, level: float = LEVEL, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Interval:
    """Return the mean over seeds and its Student t interval at each point.

    Args:
        scores: (seeds, P), NaN where a seed has no value.
        level: Coverage of the interval.
        bounds: Smallest and largest possible value; the interval is clipped to them.
    """
    present = ~np.isnan(scores)
    n = present.sum(axis=0)
    mean = _divide(np.where(present, scores, 0).sum(axis=0), n)
    squares = np.where(present, (scores - mean) ** 2, 0).sum(axis=0)
    deviation = np.sqrt(_divide(squares, n - 1))
    quantile = np.where(n >= FEWEST_SEEDS, stdtrit(np.maximum(n - 1, 1), (1 + level) / 2), np.nan)
    half_width = quantile * _divide(deviation, np.sqrt(n))
    return Interval(mean, np.maximum(mean - half_width, bounds[0]), np.minimum(mean + half_width, bounds[1]), n)


class Quartiles(NamedTuple):
    """Median and quartiles at each point; NaN where no seed has a value."""

    median: Floats  # (P,)
    low: Floats  # (P,) 25th percentile
    high: Floats  # (P,) 75th percentile
    n: NDArray[np.int64]  # (P,) seeds with a value


def quartiles(scores: Floats) -> Quartiles:
    """Return the median and the quartiles over seeds at each point, linear between order statistics.

    Args:
        scores: (seeds, P), NaN where a seed has no value.
    """
    present = ~np.isnan(scores)
    n = present.sum(axis=0)
    found = np.full((3, scores.shape[1]), np.nan)
    found[:, n > 0] = np.nanquantile(scores[:, n > 0], (0.25, 0.5, 0.75), axis=0)
    return Quartiles(found[1], found[0], found[2], n)


def interquartile_mean(scores: Floats) -> float:
    """Return the mean of the middle half of all scores (seeds, tasks) (Agarwal et al. 2021)."""
    first, end = scores.size // 4, scores.size - scores.size // 4
    return float(np.partition(scores.ravel(), (first, end - 1))[first:end].mean())


def probability_of_improvement(first: Floats, second: Floats) -> float:
    """Return the probability that a run of the first algorithm beats a run of the second, averaged over tasks.

    A tie counts one half. For each task this is Mann-Whitney's U divided by the number of pairs.

    Args:
        first: Scores (seeds, tasks).
        second: Scores (seeds, tasks) on the same tasks; the number of seeds may differ.
    """
    differences = first[:, None] - second[None]
    return float(((differences > 0) + 0.5 * (differences == 0)).mean())


def performance_profile(scores: Floats, thresholds: Floats) -> Floats:
    """Return the share (T,) of all runs with a score above each threshold (Agarwal et al. 2021).

    Args:
        scores: (seeds, tasks).
        thresholds: (T,).
    """
    return np.asarray((scores > thresholds.reshape(-1, 1, 1)).mean(axis=(1, 2)))


class Bootstrapped(NamedTuple):
    """Statistic (a number or an array) and its percentile interval of the same shape."""

    value: Any
    low: Any
    high: Any


def stratified_bootstrap(
    groups: Sequence[Floats],
    statistic: Callable[..., Any],
    rng: np.random.Generator,
    repetitions: int = 2000,
    level: float = LEVEL,
) -> Bootstrapped:
    """Return a statistic of one or more groups of runs with its percentile interval.

    Seeds are drawn with replacement, separately for each task and group, so that each task keeps its weight.

    Args:
        groups: Scores (seeds, tasks) of each group.
        statistic: Function of one array for each group, with the shapes of `groups`.
        rng: Source of randomness.
        repetitions: Number of bootstrap samples.
        level: Coverage of the interval.
    """

    def resampled(scores: Floats) -> Floats:
        return np.take_along_axis(scores, rng.integers(len(scores), size=scores.shape), axis=0)

    values = [statistic(*map(resampled, groups)) for _ in range(repetitions)]
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2), axis=0)
    return Bootstrapped(statistic(*groups), low, high)


def _divide(numerator: Floats, denominator: NDArray[np.float64] | NDArray[np.int64]) -> Floats:
    """Return the quotient, NaN where the denominator is not positive."""
    return np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1), np.nan)
