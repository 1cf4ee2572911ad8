"""Statistics of the calibration: closed forms, scipy, and independently computed numbers of the released runs."""

import math

import numpy as np
import pytest
from scipy import stats

from roma.recordings.calibrate import statistics
from roma.recordings.calibrate.learned import comparison as learning
from roma.recordings.calibrate.statistics import PHASES
from roma.scenarios import released_runs as released


@pytest.mark.parametrize(("n", "k"), [(6, 1), (9, 2), (15, 4), (16, 4), (17, 5), (19, 5), (20, 6), (21, 6), (25, 8)])
def test_interval_of_the_median(n: int, k: int) -> None:
    """k is that of the published tables, and the interval is the narrowest one with the required coverage."""
    values = np.random.default_rng(n).permutation(np.arange(1, n + 1))
    assert statistics.median_interval(values) == (k, n + 1 - k)

    def coverage(k: int) -> float:
        return float(stats.binom.cdf(n - k, n, 0.5) - stats.binom.cdf(k - 1, n, 0.5))

    assert coverage(k) >= 0.95 > coverage(k + 1)


def test_interval_of_the_published_median() -> None:
    assert statistics.median_interval(released.random_lengths("10m_vs_11m")) == (28, 35)
    assert statistics.median_interval(released.random_lengths("5m_vs_6m")) == (24, 34)


def test_five_values_have_no_interval() -> None:
    with pytest.raises(ValueError, match="5 values are too few"):
        statistics.median_interval(np.arange(5))


def test_two_sample_test() -> None:
    below, above = np.arange(10), np.arange(20, 30)
    assert statistics.two_sample_p(below, above) == pytest.approx(2 / math.comb(20, 10))
    assert statistics.two_sample_p(below, below) == 1


def test_means_of_groups() -> None:
    np.testing.assert_array_equal(statistics.means_of(np.arange(8), 3), [1, 4])


TESTS = np.array([60, *(10_000 * k + 30 for k in range(1, 13))])  # a run of 120 000 steps


@pytest.mark.parametrize(
    ("step", "first", "last", "centred"),
    [
        *((10_000, 1, 1, True), (30_000, 3, 3, True), (50_000, 3, 7, True), (100_000, 8, 12, True)),
        *((110_000, 8, 12, False), (120_000, 8, 12, False), (123_000, 8, 12, False)),
    ],
)
def test_tests_of_a_checkpoint(step: int, first: int, last: int, centred: bool) -> None:
    assert statistics.window(TESTS, step) == slice(first, last + 1)
    assert statistics.centred(TESTS, step) == centred


def test_a_run_that_ends_before_a_checkpoint_has_not_reached_it() -> None:
    assert statistics.window(TESTS, 150_000) is None
    assert statistics.window(TESTS[:4], 30_000) == slice(3, 4)
    assert statistics.window(TESTS[:4], 50_000) is None
    assert statistics.window(np.array([60, 51_000]), 50_000) is None, "two tests are no mean of five"
    assert statistics.window(np.array([], np.int64), 10_000) is None


def test_centred_means_of_five() -> None:
    means = statistics.smoothed(np.array([0.0, 1, 1, 1, 1, 1, 0]))
    np.testing.assert_allclose(means, [np.nan, np.nan, 0.8, 1, 0.8, np.nan, np.nan])
    assert np.isnan(statistics.smoothed(np.ones(4))).all()


@pytest.mark.parametrize(
    ("map_name", "algorithm", "step", "percent", "mean_return"),
    [
        *(("5m_vs_6m", "qmix", 500_000, 34, 13.2), ("5m_vs_6m", "qmix", 300_000, 5, 9.7)),
        *(("10m_vs_11m", "qmix", 20_000, 0, 10.8), ("10m_vs_11m", "qmix", 500_000, 32, 14.9)),
        *(("2s3z", "qmix", 30_000, 50, 16.2), ("2s3z", "coma", 1_000_000, 22, 13.7), ("2s3z", "vdn", 10_000, 0, 8.3)),
        *(("6h_vs_8z", "qmix", 2_000_000, 2, 12.0), ("2c_vs_64zg", "qmix", 2_000_000, 44, 18.9)),
    ],
)
def test_published_learning_curves(
    map_name: str, algorithm: str, step: int, percent: float, mean_return: float
) -> None:
    curve = learning.curve_at(released.complete_runs(map_name, algorithm), step)
    assert round(100 * curve.win_rate.median) == percent
    assert round(curve.returns.median, 1) == mean_return


@pytest.mark.parametrize(
    ("map_name", "algorithm", "phase", "length", "error"),
    [
        *(("27m_vs_30m", "vdn", 2, 132, 8), ("5m_vs_6m", "qmix", 0, 19, 2), ("10m_vs_11m", "iql", 4, 105, 5)),
        *(("2s3z", "qtran", 1, 63, 5), ("MMM2", "coma", 3, 95, 6), ("corridor", "vdn", 5, 53, 6)),
    ],
)
def test_published_lengths_of_training_episodes(
    map_name: str, algorithm: str, phase: int, length: float, error: float
) -> None:
    runs = [run for run in released.released_runs() if (run.map, run.algorithm) == (map_name, algorithm)]
    found = learning.released_length(runs, PHASES[phase])
    assert found is not None
    assert (round(found.length), round(found.error)) == (length, error)


@pytest.mark.parametrize("anchored", [False, True], ids=["since the previous test", "at multiples"])
def test_both_test_schedules_measure_the_same_length(anchored: bool) -> None:
    """Of independent lengths from 20 to 60, equally likely: L + s² / L - 1 with L = 40 and s² = 140."""
    interval, ends = 1000, np.cumsum(np.random.default_rng(1).integers(20, 61, 400_000))
    tests = [int(ends[0])]
    while True:
        due = (tests[-1] // interval + 1) * interval if anchored else tests[-1] + interval
        place = int(np.searchsorted(ends, due))
        if place == len(ends):
            break
        tests.append(int(ends[place]))
    t_env = np.array(tests)
    excess = (statistics.excess_over_multiple if anchored else statistics.excess_over_interval)(t_env, interval)
    found = statistics.phase_length([t_env], [excess], (0, int(ends[-1]) + 1), 1)
    assert found is not None
    assert found.tests == len(t_env) - 1 > 10_000
    assert found.length == pytest.approx(40 + 140 / 40 - 1, abs=4 * found.error)
    assert found.error < 0.4


def test_a_phase_needs_five_tests_and_episodes_side_by_side_share_the_excess() -> None:
    t_env = np.array([90, *(10_000 * k + 80 for k in range(1, 6))])
    excess = statistics.excess_over_multiple(t_env, 10_000)
    assert statistics.phase_length([t_env], [excess], (0, 50_000), 8) is None
    found = statistics.phase_length([t_env], [excess], (0, 50_081), 8)
    assert found == statistics.PhaseLength(length=20, error=0, tests=5)
