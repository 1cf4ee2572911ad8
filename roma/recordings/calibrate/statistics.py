"""Statistics of the comparison with released runs: pure functions, used alike on the game's episodes and on ours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Environment steps at which learning curves are compared.
CHECKPOINTS = tuple(1000 * step for step in (10, 20, 30, 50, 100, 150, 200, 250, 300, 400, 500, 750, 1000, 1500, 2000))
SMOOTHED_FROM = 50_000  # environment steps from which the mean of WINDOW tests counts, before it the nearest test alone
WINDOW = 5
REACHED = 0.975  # of a checkpoint: a run has reached it if its last test is not earlier
TESTS_IN_PHASE = 5  # at least, for a mean length of training episodes
PHASES = (  # of training: first environment step, and the first one after it
    (0, 100_000),
    (100_000, 300_000),
    (300_000, 600_000),
    (600_000, 1_000_000),
    (1_000_000, 1_500_000),
    (1_500_000, 2_050_000),
)


def median_interval(values: NDArray[np.generic], level: float = 0.95) -> tuple[float, float]:
    """Return the order-statistic interval of the median, distribution-free.

    The interval runs from the k-th smallest to the k-th largest of n values. k is the largest number below which a
    binomial variable of n trials with probability 1/2 falls with a probability of at most (1 - level) / 2.

    Raises:
        ValueError: the sample (n,) is too small for any interval of this level.
    """
    from scipy import stats

    ordered = np.sort(values)
    k = int(stats.binom.ppf((1 - level) / 2, len(ordered), 0.5))
    if k < 1:
        raise ValueError(f"{len(ordered)} values are too few for an interval of the median at level {level}")
    return float(ordered[k - 1]), float(ordered[-k])


def two_sample_p(ours: NDArray[np.generic], published: NDArray[np.generic]) -> float:
    """Return the p-value of the two-sided two-sample Kolmogorov-Smirnov test; ties make it conservative."""
    from scipy import stats

    return float(stats.ks_2samp(ours, published).pvalue)


def means_of(values: NDArray[np.generic], size: int) -> NDArray[np.float64]:
    """Return the means (n // size,) of consecutive groups of values (n,); an incomplete last group is dropped."""
    groups = len(values) // size
    return np.asarray(values[: groups * size], np.float64).reshape(groups, size).mean(1)


def window(t_env: NDArray[np.int64], step: int) -> slice | None:
    """Return which of a run's tests (T,) count at a checkpoint; None if the run has not reached it.

    Before SMOOTHED_FROM that is the test nearest to `step`, from there on the WINDOW tests centred on the nearest one.
    At either end of a run the window is the first or last WINDOW tests.
    """
    if not len(t_env) or t_env[-1] < REACHED * step:
        return None
    nearest = int(np.argmin(np.abs(t_env - step)))
    if step < SMOOTHED_FROM:
        return slice(nearest, nearest + 1)
    if len(t_env) < WINDOW:
        return None
    first = min(max(nearest - WINDOW // 2, 0), len(t_env) - WINDOW)
    return slice(first, first + WINDOW)


def centred(t_env: NDArray[np.int64], step: int) -> bool:
    """Return whether the window at a checkpoint that a run has reached is centred on the test nearest to it."""
    chosen = window(t_env, step)
    nearest = int(np.argmin(np.abs(t_env - step)))
    return chosen is not None and chosen.start + chosen.stop - 1 == 2 * nearest


def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean (T,) of the WINDOW tests centred on each test (T,); NaN within WINDOW // 2 of either end."""
    means = np.full(len(values), np.nan)
    if len(values) >= WINDOW:
        means[WINDOW // 2 : -(WINDOW // 2)] = np.convolve(values, np.full(WINDOW, 1 / WINDOW), "valid")
    return means


def excess_over_interval(t_env: NDArray[np.int64], interval: int) -> NDArray[np.int64]:
    """Return the excess (T - 1,) of each of a released run's test intervals over the least, in environment steps.

    PyMARL makes a test at the end of the episode that runs when `interval` steps have passed since the previous test,
    so the excess is what was left of that episode.
    """
    return np.diff(t_env) - interval


def excess_over_multiple(t_env: NDArray[np.int64], interval: int) -> NDArray[np.int64]:
    """Return the excess (T - 1,) of our tests over the multiple of `interval` that made them due, in environment steps.

    `roma.runs.training` makes a test at the end of the episode that runs when a multiple of `interval` is reached. So
    the excess means the same as that of `excess_over_interval`. The first test, after the first episode, has none.
    """
    return t_env[1:] % interval


@dataclass(frozen=True, slots=True)
class PhaseLength:
    """Length of training episodes in one phase of training, in timesteps."""

    length: float
    error: float  # standard error
    tests: int


def phase_length(
    t_env: Sequence[NDArray[np.int64]], excess: Sequence[NDArray[np.int64]], phase: tuple[int, int], n_battles: int
) -> PhaseLength | None:
    """Estimate the mean length of training episodes from when tests were made; None of fewer than TESTS_IN_PHASE tests.

    The moment at which a test becomes due falls anywhere in an episode, so twice the mean excess estimates its length.
    For independent lengths of mean L and standard deviation s the expected value is L + s² / L - 1, because a long
    episode is more often the one that runs: equal for the game's episodes and for ours.

    Args:
        t_env: each run's tests (T,) in environment steps.
        excess: each run's excesses (T - 1,) of all tests but the first.
        phase: first step, and the first step after it.
        n_battles: episodes played side by side: the excess belongs to all of them together.
    """
    due = np.concatenate([steps[1:] for steps in t_env])
    inside = np.concatenate(list(excess))[(due >= phase[0]) & (due < phase[1])]
    if len(inside) < TESTS_IN_PHASE:
        return None
    error = float(inside.std(ddof=1)) / math.sqrt(len(inside))
    return PhaseLength(2 * float(inside.mean()) / n_battles, 2 * error / n_battles, len(inside))
