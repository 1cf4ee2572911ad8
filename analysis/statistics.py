"""Statistics over seeds, as pure functions of arrays.

Student's t is used for a mean over few seeds: for five of them it covers what it promises (95 % of normal data, 93 % of
U-shaped win rates), where 1.96 standard errors or a percentile bootstrap cover 84 to 88 %.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

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


class Bootstrapped(NamedTuple):
    value: float
    low: float
    high: float


def stratified_bootstrap(
    groups: Sequence[Floats],
    statistic: Callable[..., float],
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
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return Bootstrapped(statistic(*groups), float(low), float(high))


class Estimate(NamedTuple):
    """A sum of weighted means with what its Student-t interval needs."""

    value: float
    error: float  # standard error
    freedom: float  # degrees of freedom, by Welch and Satterthwaite where samples are several

    def interval(self, alpha: float = ALPHA) -> tuple[float, float]:
        """Two-sided, covering 1 - alpha."""
        half_width = student.isf(alpha / 2, self.freedom) * self.error if self.error > 0 else 0.0
        return self.value - half_width, self.value + half_width


def contrast(samples: Sequence[Floats], weights: Sequence[float], within: Sequence[float] | None = None) -> Estimate:
    """The sum of weight times mean over independent samples, each of two values or more.

    Of two samples weighted 1 and -1 this is Welch's difference of means, of one sample the plain t interval: so a
    paired difference is the contrast of one sample of differences. `within` are the least variances of the samples'
    seeds, known from inside them such as from the number of their episodes; default: zero.
    """
    floors = within or [0.0] * len(samples)
    variances = [
        weight**2 * max(np.var(sample, ddof=1), floor) / len(sample)
        for sample, weight, floor in zip(samples, weights, floors, strict=True)
    ]
    value = sum(weight * float(np.mean(sample)) for sample, weight in zip(samples, weights, strict=True))
    total = float(sum(variances))
    spread = sum(variance**2 / (len(sample) - 1) for sample, variance in zip(samples, variances, strict=True))
    fallback = min(len(sample) for sample in samples) - 1
    return Estimate(value, math.sqrt(total), float(total**2 / spread) if spread > 0 else float(fallback))


class Region(NamedTuple):
    """The values of a quantity for which a statement holds: above a threshold, below one, or within a margin."""

    low: float = -math.inf
    high: float = math.inf

    def holds(self, interval: tuple[float, float]) -> bool | None:
        """Whether the statement holds, if all of the interval says so; None where the interval leaves it open."""
        low, high = interval
        if self.low < low and high < self.high:
            return True
        return False if high < self.low or low > self.high else None

    def distance(self, value: float) -> float:
        """From a value to the nearest edge."""
        return min(abs(value - edge) for edge in self if math.isfinite(edge))

    def p_value(self, estimate: Estimate) -> float:
        """The smallest alpha whose interval decides, either way.

        Against one threshold it is the two-sided t test's; within a margin it is somewhat stricter than two one-sided
        tests, as it also has to be able to find the statement wrong.
        """
        distance = self.distance(estimate.value)
        if estimate.error == 0:
            return 0.0 if distance > 0 else 1.0
        return float(2 * student.sf(distance / estimate.error, estimate.freedom))


def holm_levels(p_values: Sequence[float], alpha: float = ALPHA) -> list[float]:
    """For each test of a family the alpha of its interval, so that Holm's step-down test decides as the interval does.

    The smallest p-value is held against alpha / m, the next against alpha / (m - 1), and so on; from the first that
    fails on, all are held against what that one was.
    """
    levels = [0.0] * len(p_values)
    failed = None
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        levels[place] = failed or alpha / (len(p_values) - rank)
        if p_values[place] >= levels[place]:
            failed = levels[place]
    return levels


def seeds_needed(
    region: Region, value: float, variance: float, alpha: float, power: float = 0.8, most: int = 1000
) -> int | None:
    """Seeds a side that would decide, with this power, if value and spread stayed what they are; None beyond `most`.

    `variance` is that of the contrast for one seed a side: the sum of squared weights times variances.
    """
    n = np.arange(FEWEST_SEEDS, most + 1)
    quantiles = student.isf(alpha / 2, n - 1) + student.isf(1 - power, n - 1)
    distance = region.distance(value)
    enough = (distance > 0) & (distance >= quantiles * np.sqrt(variance / n))
    return int(n[enough.argmax()]) if enough.any() else None


def _divide(numerator: Floats, denominator: NDArray[np.float64] | NDArray[np.int64]) -> Floats:
    """Their quotient, NaN where the denominator is not positive."""
    return np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1), np.nan)
