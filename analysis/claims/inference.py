"""Tests of contrasts of means over seeds, as pure functions of arrays.

The last axis of a sample holds its seeds. Axes before it, if any, hold repetitions of the whole study, so that the same
code judges real and simulated studies (`analysis.claims.simulation`).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from analysis.statistics import ALPHA, FEWEST_SEEDS, Floats


class Estimate(NamedTuple):
    """Weighted sum of means with its standard error and degrees of freedom; arrays (...), scalar for a single study."""

    value: Floats
    error: Floats  # standard error
    freedom: Floats  # degrees of freedom (Welch and Satterthwaite for several samples)

    def interval(self, alpha: float = ALPHA) -> tuple[float, float]:
        """Return the two-sided interval of a single study with coverage 1 - `alpha`."""
        half_width = float(-stdtrit(self.freedom, alpha / 2) * self.error) if self.error > 0 else 0.0
        return float(self.value) - half_width, float(self.value) + half_width


class Moments(NamedTuple):
    """Mean and variance of a sample."""

    mean: Floats  # (...)
    variance: Floats  # (...) between seeds
    n: int  # seeds


def moments(sample: Floats, within: Floats | float = 0.0) -> Moments:
    """Return the moments of a sample of two or more seeds.

    Args:
        sample: Values (..., n).
        within: Lower bound (...) of the variance between seeds, such as the binomial variance of their episodes. It
            keeps the interval from having width zero if all seeds agree.
    """
    variance = np.maximum(np.var(sample, axis=-1, ddof=1), within)
    return Moments(np.mean(sample, axis=-1), variance, sample.shape[-1])


def contrast(samples: Sequence[Moments], weights: Sequence[float]) -> Estimate:
    """Return the weighted sum of the means of independent samples.

    Two samples with weights 1 and -1 give Welch's difference of means; one sample gives the plain t interval, so that a
    paired difference is the contrast of one sample of differences.

    Args:
        samples: Moments of each sample.
        weights: Weight of each mean.
    """
    variances = [weight**2 * sample.variance / sample.n for sample, weight in zip(samples, weights, strict=True)]
    value = sum(weight * sample.mean for sample, weight in zip(samples, weights, strict=True))
    total = np.asarray(sum(variances))
    spread = np.asarray(sum(each**2 / (sample.n - 1) for each, sample in zip(variances, samples, strict=True)))
    fallback = min(sample.n for sample in samples) - 1
    freedom = np.where(spread > 0, total**2 / np.where(spread > 0, spread, 1), fallback)
    return Estimate(np.asarray(value), np.sqrt(total), freedom)


def binomial_variance(shares: Floats, episodes: int) -> Floats:
    """Return the binomial variance (...) of a share of episodes, at the mean of the shares.

    Half an episode is added to either side, so that shares of 0 and 1 have a positive variance (Agresti and Coull
    1998).

    Args:
        shares: Shares of the seeds (..., n).
        episodes: Number of episodes of each share.
    """
    share = (np.mean(shares, axis=-1) * episodes + 0.5) / (episodes + 1)
    return np.asarray(share * (1 - share) / episodes)


class Region(NamedTuple):
    """Values for which a statement holds: above a threshold, below a threshold, or within a margin."""

    low: float = -math.inf
    high: float = math.inf

    def contains(self, value: float) -> bool:
        """Return whether a value lies inside."""
        return self.low < value < self.high

    def distance(self, value: float) -> float:
        """Return the distance of a value from the nearest edge."""
        return min(abs(value - edge) for edge in self if math.isfinite(edge))

    def p_values(self, estimate: Estimate) -> tuple[Floats, Floats]:
        """Return the one-sided p-values (...) of t tests for the value to lie inside, and to lie outside.

        For a margin, the first is the p-value of two one-sided tests, the second that of the nearer edge. Twice the
        smaller of the two p-values is then valid for a decision in either direction.
        """
        edges = [(edge, sign) for edge, sign in ((self.low, 1), (self.high, -1)) if math.isfinite(edge)]
        inside, outside = zip(*(_tails(estimate, edge, sign) for edge, sign in edges), strict=True)
        return np.maximum.reduce(inside), np.minimum.reduce(outside)


def _tails(estimate: Estimate, edge: float, sign: int) -> tuple[Floats, Floats]:
    """Return the p-values (...) for the value to lie above an edge (below it for `sign` -1), and on the other side."""
    distance = sign * (estimate.value - edge)
    scaled = np.abs(distance) / np.where(estimate.error > 0, estimate.error, 1)
    tail = np.where(estimate.error > 0, stdtr(estimate.freedom, -scaled), 0.0)
    above = np.where(distance > 0, tail, 1 - tail)
    below = np.where(distance < 0, tail, 1 - tail)
    return above, below


def partial_conjunction(p_values: Floats, least: int) -> Floats:
    """Return the p-value (...) for at least `least` of m statements to hold, which may be dependent.

    It is the `least`-th smallest p-value times m - `least` + 1 (Benjamini and Heller 2008). For `least` = m this is an
    intersection-union test (Berger 1982), for `least` = 1 it is Bonferroni's.

    Args:
        p_values: p-values of the statements (m, ...).
        least: Number of statements.
    """
    m = len(p_values)
    return np.minimum(1.0, (m - least + 1) * np.sort(p_values, axis=0)[least - 1])


def holm_levels(p_values: Floats, alpha: float = ALPHA) -> Floats:
    """Return the level of each test of a family at which p < level reproduces Holm's step-down procedure.

    The smallest p-value has level alpha / m, the next alpha / (m - 1), and so on. From the first test that fails on,
    all tests have the level of that test.

    Args:
        p_values: p-values of the tests (m, ...).
        alpha: Probability of any false decision in the family.
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
    """Return the seeds per side that would decide a statement, for unchanged value and variance; None above `most`.

    Args:
        region: Values for which the statement holds.
        value: Estimate of the contrast.
        variance: Variance of the contrast with one seed per side: sum of squared weights times variances.
        alpha: Level of the two-sided test.
        power: Required probability of a decision.
        most: Largest number of seeds tried.
    """
    n = np.arange(FEWEST_SEEDS, most + 1)
    quantiles = -stdtrit(n - 1, alpha / 2) - stdtrit(n - 1, 1 - power)
    distance = region.distance(value)
    enough = (distance > 0) & (distance >= quantiles * np.sqrt(variance / n))
    return int(n[enough.argmax()]) if enough.any() else None
