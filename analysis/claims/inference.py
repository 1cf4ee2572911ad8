"""Tests of contrasts of means over seeds, as pure functions of arrays.

The last axis of a sample is its seeds. Axes before it, if there are any, are repetitions of the whole study: so the
code that judges a study is the code that is simulated (`analysis.claims.simulation`).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from analysis.statistics import ALPHA, FEWEST_SEEDS, Floats


class Estimate(NamedTuple):
    """A sum of weighted means with what its Student-t interval needs; arrays (...), of no axes for a single study."""

    value: Floats
    error: Floats  # standard error
    freedom: Floats  # degrees of freedom, by Welch and Satterthwaite where samples are several

    def interval(self, alpha: float = ALPHA) -> tuple[float, float]:
        """Return the two-sided interval of a single study that covers 1 - `alpha`."""
        half_width = float(-stdtrit(self.freedom, alpha / 2) * self.error) if self.error > 0 else 0.0
        return float(self.value) - half_width, float(self.value) + half_width


class Moments(NamedTuple):
    """What a contrast needs of a sample."""

    mean: Floats  # (...)
    variance: Floats  # (...) between seeds
    n: int  # seeds


def moments(sample: Floats, within: Floats | float = 0.0) -> Moments:
    """Return the moments of a sample (..., n) of two seeds or more.

    `within` (...) is the least variance between seeds, known from inside them such as from the number of their
    episodes: where all seeds agree, an interval has this width and not none.
    """
    variance = np.maximum(np.var(sample, axis=-1, ddof=1), within)
    return Moments(np.mean(sample, axis=-1), variance, sample.shape[-1])


def contrast(samples: Sequence[Moments], weights: Sequence[float]) -> Estimate:
    """Return the sum of weight times mean over independent samples.

    Of two samples weighted 1 and -1 this is Welch's difference of means, of one sample the plain t interval: so a
    paired difference is the contrast of one sample of differences.
    """
    variances = [weight**2 * sample.variance / sample.n for sample, weight in zip(samples, weights, strict=True)]
    value = sum(weight * sample.mean for sample, weight in zip(samples, weights, strict=True))
    total = np.asarray(sum(variances))
    spread = np.asarray(sum(each**2 / (sample.n - 1) for each, sample in zip(variances, samples, strict=True)))
    fallback = min(sample.n for sample in samples) - 1
    freedom = np.where(spread > 0, total**2 / np.where(spread > 0, spread, 1), fallback)
    return Estimate(np.asarray(value), np.sqrt(total), freedom)


def binomial_variance(shares: Floats, episodes: int) -> Floats:
    """Return the variance (...) that a share of so many episodes has by chance, for the mean of `shares` (..., n).

    Half an episode is added to either side, so that a share of 0 or 1 has one too (Agresti and Coull 1998).
    """
    share = (np.mean(shares, axis=-1) * episodes + 0.5) / (episodes + 1)
    return np.asarray(share * (1 - share) / episodes)


class Region(NamedTuple):
    """The values of a quantity for which a statement holds: above a threshold, below one, or within a margin."""

    low: float = -math.inf
    high: float = math.inf

    def contains(self, value: float) -> bool:
        return self.low < value < self.high

    def distance(self, value: float) -> float:
        """Return how far a value is from the nearest edge."""
        return min(abs(value - edge) for edge in self if math.isfinite(edge))

    def p_values(self, estimate: Estimate) -> tuple[Floats, Floats]:
        """Return the one-sided p-values (...) of t tests that the value lies inside, and that it lies outside.

        Within a margin the first is that of two one-sided tests, and the second that of the nearer edge: twice the
        smaller of the two p-values is then valid either way.
        """
        edges = [(edge, sign) for edge, sign in ((self.low, 1), (self.high, -1)) if math.isfinite(edge)]
        inside, outside = zip(*(_tails(estimate, edge, sign) for edge, sign in edges), strict=True)
        return np.maximum.reduce(inside), np.minimum.reduce(outside)


def _tails(estimate: Estimate, edge: float, sign: int) -> tuple[Floats, Floats]:
    """Return the p-values (...) that the value lies above an edge (`sign` 1; below it for -1), and that it does not."""
    distance = sign * (estimate.value - edge)
    scaled = np.abs(distance) / np.where(estimate.error > 0, estimate.error, 1)
    tail = np.where(estimate.error > 0, stdtr(estimate.freedom, -scaled), 0.0)
    above = np.where(distance > 0, tail, 1 - tail)
    below = np.where(distance < 0, tail, 1 - tail)
    return above, below


def partial_conjunction(p_values: Floats, least: int) -> Floats:
    """Return the p-value (...) that at least so many of m statements hold, from theirs (m, ...), dependent or not.

    With `least` = m it is their largest, an intersection-union test (Berger 1982); with 1 it is Bonferroni's; between
    them the `least`-th smallest times m - `least` + 1 (Benjamini and Heller 2008).
    """
    m = len(p_values)
    return np.minimum(1.0, (m - least + 1) * np.sort(p_values, axis=0)[least - 1])


def holm_levels(p_values: Floats, alpha: float = ALPHA) -> Floats:
    """Return the alpha of each test of a family, so that Holm's step-down test decides as p < alpha does.

    The smallest p-value is held against alpha / m, the next against alpha / (m - 1), and so on; from the first that
    fails on, all are held against what that one was.

    Args:
        p_values: (m, ...).
        alpha: The probability of any false decision.
    """
    order = np.argsort(p_values, axis=0, kind="stable")
    m = len(order)
    steps = alpha / (m - np.arange(m)).reshape(-1, *[1] * (order.ndim - 1))
    failed = np.take_along_axis(p_values, order, axis=0) >= steps
    first = np.where(failed.any(axis=0), failed.argmax(axis=0), m - 1)
    ranks = np.minimum(np.argsort(order, axis=0), first)
    return np.asarray(alpha / (m - ranks), float)


def seeds_needed(
    region: Region, value: float, variance: float, alpha: float, power: float = 0.8, most: int = 1000
) -> int | None:
    """Return the seeds a side that would decide if value and spread stayed what they are; None beyond `most`.

    Args:
        region: Where the statement holds.
        value: The estimate.
        variance: Of the contrast for one seed a side, the sum of squared weights times variances.
        alpha: Of the two-sided interval.
        power: The probability with which they would decide.
        most: The largest number tried.
    """
    n = np.arange(FEWEST_SEEDS, most + 1)
    quantiles = -stdtrit(n - 1, alpha / 2) - stdtrit(n - 1, 1 - power)
    distance = region.distance(value)
    enough = (distance > 0) & (distance >= quantiles * np.sqrt(variance / n))
    return int(n[enough.argmax()]) if enough.any() else None
