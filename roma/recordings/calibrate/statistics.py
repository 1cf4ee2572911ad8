"""Statistics of the comparison with released runs: pure functions, applied in the same way to both sides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Environment steps at which learning curves are compared.
CHECKPOINTS = tuple(1000 * step for step in (10, 20, 30, 50, 100, 150, 200, 250, 300, 400, 500, 750, 1000, 1500, 2000))
SMOOTHED_FROM = 50_000  # environment steps: from here on the mean of WINDOW tests counts, before only the nearest test
WINDOW = 5
REACHED = 0.975  # a run has reached a checkpoint if its last test is not earlier than this fraction of it
TESTS_IN_PHASE = 5  # the least number of tests for a mean length of training episodes
PHASES = (  # phases of training: the first environment step, and the first one after the phase
    (0, 100_000),
    (100_000, 300_000),
    (300_000, 600_000),
    (600_000, 1_000_000),
    (1_000_000, 1_500_000),
    (1_500_000, 2_050_000),
)


def median_interval(values: NDArray[np.generic], level: float = 0.95) -> tuple[float, float]:
    """Return the distribution-free order-statistic interval of the median.

    The interval runs from the k-th smallest to the k-th largest of n values. k is the largest number such that a
    binomial variable (n trials, probability 1/2) is below k with a probability of at most (1 - level) / 2.

    Args:
        values: Sample (n,).
        level: Level of confidence.

    Raises:
        ValueError: The sample is too small for an interval of this level.
    """
    from scipy import stats

    ordered = np.sort(values)
    k = int(stats.binom.ppf((1 - level) / 2, len(ordered), 0.5))
    if k < 1:
        raise ValueError(f"{len(ordered)} values are too few for an interval of the median at level {level}")
    return float(ordered[k - 1]), float(ordered[-k])


def two_sample_p(ours: NDArray[np.generic], published: NDArray[np.generic]) -> float:
    """Return the p-value of the two-sided two-sample Kolmogorov-Smirnov test, which is conservative under ties."""
    from scipy import stats

    return float(stats.ks_2samp(ours, published).pvalue)


def means_of(values: NDArray[np.generic], size: int) -> NDArray[np.float64]:
    """Return the means (n // size,) of consecutive groups of values (n,); an incomplete last group is dropped."""
    groups = len(values) // size
    return np.asarray(values[: groups * size], np.float64).reshape(groups, size).mean(1)


def window(t_env: NDArray[np.int64], step: int) -> slice | None:
    """Return the slice of a run's tests that count at a checkpoint; None if the run has not reached the checkpoint.

    Before SMOOTHED_FROM, only the test nearest to `step` counts. From there on, the WINDOW tests centred on the nearest
    one count. At either end of a run, these are the first or the last WINDOW tests.

    Args:
        t_env: Environment steps of the tests (T,).
        step: Environment steps of the checkpoint.
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
    """Return whether the window of a run at a checkpoint is centred on the test nearest to the checkpoint."""
    chosen = window(t_env, step)
    nearest = int(np.argmin(np.abs(t_env - step)))
    return chosen is not None and chosen.start + chosen.stop - 1 == 2 * nearest


def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean (T,) of the WINDOW tests centred on each test (T,); NaN for WINDOW // 2 tests at either end."""
    means = np.full(len(values), np.nan)
    if len(values) >= WINDOW:
        means[WINDOW // 2 : -(WINDOW // 2)] = np.convolve(values, np.full(WINDOW, 1 / WINDOW), "valid")
    return means


def excess_over_interval(t_env: NDArray[np.int64], interval: int) -> NDArray[np.int64]:
    """Return how much each test interval of a released run exceeds `interval` (T - 1,), in environment steps.

    PyMARL tests at the end of the episode during which `interval` steps have passed since the previous test. The excess
    is therefore the rest of that episode.

    Args:
        t_env: Environment steps of the tests (T,).
        interval: Least environment steps between tests.
    """
    return np.diff(t_env) - interval


def excess_over_multiple(t_env: NDArray[np.int64], interval: int) -> NDArray[np.int64]:
    """Return how far our tests lie beyond the multiple of `interval` that made them due (T - 1,), in environment steps.

    `roma.runs.loop` tests at the end of the episode during which a multiple of `interval` is reached. The excess
    therefore has the same meaning as in `excess_over_interval`. The first test, after the first episode, has none.

    Args:
        t_env: Environment steps of the tests (T,).
        interval: Environment steps between tests.
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
    """Estimate the mean length of training episodes from the times of tests; None for fewer than TESTS_IN_PHASE tests.

    A test becomes due at a random moment of an episode, so twice the mean excess estimates the length of the episode.
    For independent lengths with mean L and standard deviation s the expected value is L + s² / L - 1, because the
    running episode is more often a long one. This bias is the same for the game and for our engine.

    Args:
        t_env: Environment steps of the tests (T,), for each run.
        excess: Excess (T - 1,) of all tests but the first, for each run.
        phase: First environment step of the phase, and the first one after it.
        n_battles: Episodes played in parallel; the excess counts the steps of all of them.
    """
    due = np.concatenate([steps[1:] for steps in t_env])
    inside = np.concatenate(list(excess))[(due >= phase[0]) & (due < phase[1])]
    if len(inside) < TESTS_IN_PHASE:
        return None
    error = float(inside.std(ddof=1)) / math.sqrt(len(inside))
    return PhaseLength(2 * float(inside.mean()) / n_battles, 2 * error / n_battles, len(inside))
