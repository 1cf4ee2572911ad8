"""Statistics over seeds, as pure functions of arrays.

Student's t is used for a mean over few seeds: of normal samples it covers what it promises. Where a fifth of all seeds
collapse, a few seeds often show none of it: intervals of 95 % then cover the mean in 49 % of samples of three seeds and
in 66 % of five (level 0.8, deviation 0.03). So every seed is drawn beside its mean, and how often verdicts are right is
simulated (docs/operating_characteristics.md).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student
from scipy.stats import trim_mean

LEVEL = 0.95
ALPHA = 0.05
FEWEST_SEEDS = 3  # with fewer no interval is given

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """A mean with its confidence interval, per point. `low` and `high` are NaN where seeds are too few."""

    mean: Floats  # (P,)
    low: Floats  # (P,)
    high: Floats  # (P,)
    n: NDArray[np.int64]  # (P,) seeds that have a value


def student_interval(scores: Floats, level: float = LEVEL, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Interval:
    """Mean and Student-t interval over seeds at each point.

    `scores` is (seeds, P), NaN where a seed has no value. The interval is clipped to `bounds`, the values possible.
    """
    present = ~np.isnan(scores)
    n = present.sum(axis=0)
    mean = _divide(np.where(present, scores, 0).sum(axis=0), n)
    squares = np.where(present, (scores - mean) ** 2, 0).sum(axis=0)
    deviation = np.sqrt(_divide(squares, n - 1))
    quantile = np.where(n >= FEWEST_SEEDS, student.ppf((1 + level) / 2, np.maximum(n - 1, 1)), np.nan)
    half_width = quantile * _divide(deviation, np.sqrt(n))
    return Interval(mean, np.maximum(mean - half_width, bounds[0]), np.minimum(mean + half_width, bounds[1]), n)


class Quartiles(NamedTuple):
    """Median and quartiles per point, NaN where no seed has a value."""

    median: Floats  # (P,)
    low: Floats  # (P,) the 25th percentile
    high: Floats  # (P,) the 75th
    n: NDArray[np.int64]  # (P,) seeds that have a value


def quartiles(scores: Floats) -> Quartiles:
    """Median and quartiles over seeds at each point, linear between order statistics. `scores` as above."""
    present = ~np.isnan(scores)
    n = present.sum(axis=0)
    found = np.full((3, scores.shape[1]), np.nan)
    found[:, n > 0] = np.nanquantile(scores[:, n > 0], (0.25, 0.5, 0.75), axis=0)
    return Quartiles(found[1], found[0], found[2], n)


def interquartile_mean(scores: Floats) -> float:
    """Mean of the middle half of all scores, (seeds, tasks) (Agarwal et al. 2021)."""
    return float(trim_mean(scores, 0.25, axis=None))


def probability_of_improvement(first: Floats, second: Floats) -> float:
    """How likely a run of the first beats one of the second, ties counting half, averaged over tasks.

    Both are (seeds, tasks), of as many tasks; per task this is Mann-Whitney's U over the number of pairs.
    """
    differences = first[:, None] - second[None]
    return float(((differences > 0) + 0.5 * (differences == 0)).mean())


def performance_profile(scores: Floats, thresholds: Floats) -> Floats:
    """Return the share (T,) of all runs, (seeds, tasks), above each threshold (T,) (Agarwal et al. 2021)."""
    return np.asarray((scores > thresholds.reshape(-1, 1, 1)).mean(axis=(1, 2)))


class Bootstrapped(NamedTuple):
    """A statistic, a number or an array, with its percentile interval of the same shape."""

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
    """A statistic of one or more groups of runs with its percentile interval.

    Each group is (seeds, tasks). Seeds are drawn with replacement for every task and group apart, so that each task
    keeps its weight; `statistic` takes as many arrays of the same shapes.
    """

    def resampled(scores: Floats) -> Floats:
        return np.take_along_axis(scores, rng.integers(len(scores), size=scores.shape), axis=0)

    values = [statistic(*map(resampled, groups)) for _ in range(repetitions)]
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2), axis=0)
    return Bootstrapped(statistic(*groups), low, high)


def _divide(numerator: Floats, denominator: NDArray[np.float64] | NDArray[np.int64]) -> Floats:
    """Their quotient, NaN where the denominator is not positive."""
    return np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1), np.nan)
