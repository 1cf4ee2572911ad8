"""Intervals and aggregates over seeds against scipy, rliable and answers computed by hand."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import stats

from analysis.statistics import (
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
    quartiles,
    stratified_bootstrap,
    student_interval,
)


def test_two_points_by_hand():
    # Seeds 0, 1, 2 at the first point: deviation 1, t(0.975, 2) = 4.302653; equal values at the second: no width.
    interval = student_interval(np.array([[0.0, 0.5], [1.0, 0.5], [2.0, 0.5]]))
    half_width = 4.302652729911275 / np.sqrt(3)
    np.testing.assert_allclose(interval.mean, [1, 0.5])
    np.testing.assert_allclose(interval.low, [1 - half_width, 0.5])
    np.testing.assert_allclose(interval.high, [1 + half_width, 0.5])
    assert interval.n.tolist() == [3, 3]


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("seeds", [3, 5, 30])
def test_agrees_with_scipy(seeds, level):
    scores = np.random.default_rng(0).normal(size=(seeds, 7))
    interval = student_interval(scores, level)
    low, high = stats.t.interval(level, seeds - 1, loc=scores.mean(0), scale=stats.sem(scores))
    np.testing.assert_allclose(interval.low, low)
    np.testing.assert_allclose(interval.high, high)


def test_clipped_to_possible_values():
    scores = np.array([[0.0, 0.9], [0.1, 1.0], [0.2, 1.0], [0.0, 1.0]])
    interval = student_interval(scores, bounds=(0.0, 1.0))
    assert interval.low[0] == 0
    assert interval.high[1] == 1


@pytest.mark.parametrize("seeds", [1, 2])
def test_no_interval_below_three_seeds(seeds):
    interval = student_interval(np.full((seeds, 2), 0.5))
    assert interval.mean.tolist() == [0.5, 0.5]
    assert np.isnan(interval.low).all()
    assert np.isnan(interval.high).all()


def test_missing_values_are_left_out():
    scores = np.array([[0.2, np.nan], [0.4, np.nan], [0.6, np.nan], [np.nan, 0.3]])
    interval = student_interval(scores)
    assert interval.n.tolist() == [3, 1]
    np.testing.assert_allclose(interval.mean, [0.4, 0.3])
    np.testing.assert_allclose(interval.low[0], student_interval(scores[:3, :1]).low[0])
    assert np.isnan(interval.low[1])
    assert np.isnan(student_interval(np.full((3, 1), np.nan)).mean[0])


win_rates = arrays(float, array_shapes(min_dims=2, max_dims=2, min_side=3, max_side=8), elements=st.floats(0, 1))


@given(win_rates)
def test_order_of_seeds_is_irrelevant_and_mean_lies_inside(scores):
    interval = student_interval(scores, bounds=(0.0, 1.0))
    backwards = student_interval(scores[::-1], bounds=(0.0, 1.0))
    np.testing.assert_allclose(interval.low, backwards.low, atol=1e-12)
    assert (interval.low <= interval.mean + 1e-12).all()
    assert (interval.high >= interval.mean - 1e-12).all()
    assert (interval.low >= 0).all()
    assert (interval.high <= 1).all()


def test_quartiles_are_those_of_numpy_seed_by_seed():
    scores = np.array([[0.1, np.nan, np.nan], [0.2, 0.4, np.nan], [0.4, 0.8, np.nan], [0.9, np.nan, np.nan]])
    found = quartiles(scores)
    np.testing.assert_allclose(found.median, [0.3, 0.6, np.nan])
    np.testing.assert_allclose(found.low, [0.175, 0.5, np.nan])
    np.testing.assert_allclose(found.high, [0.525, 0.7, np.nan])
    assert found.n.tolist() == [4, 2, 0]


RLIABLE_X = np.array([[1.0, 2.0], [2.0, 2.0], [1.0, 1.0], [2.0, 1.0]])
RLIABLE_Y = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])


def test_published_values_of_rliable():
    """Matrices and answers of tests/rliable/metrics_test.py in google-research/rliable, revision f59f80b."""
    assert interquartile_mean(RLIABLE_X) == 1.5
    assert interquartile_mean(RLIABLE_Y) == 2
    assert probability_of_improvement(RLIABLE_X, RLIABLE_Y) == pytest.approx(1 / 3)


def test_bootstrap_encloses_the_value_on_rliables_matrices():
    """Matrices and demands of tests/library_test.py in google-research/rliable, revision 06ab799."""
    x = np.arange(5.0 * 16).reshape(5, 16)
    y = np.flip(x, axis=0)
    for groups, statistic in (([x], interquartile_mean), ([y], np.mean), ([x, y], probability_of_improvement)):
        found = stratified_bootstrap(groups, statistic, np.random.default_rng(0), repetitions=100)
        assert found.value == statistic(*groups)
        assert found.low < found.value < found.high


@pytest.fixture(scope="module")
def golden(root):
    """Return scores by name, and the answers of rliable 1.2.0 (tests/golden/rliable/make.py)."""
    stored = json.loads((root / "tests" / "golden" / "rliable" / "aggregates.json").read_text())
    return stored | {"scores": {name: np.array(values) for name, values in stored["scores"].items()}}


def test_aggregates_are_those_of_rliable(golden):
    """Values are equal; ends of intervals agree within the Monte-Carlo error of 2 000 repetitions."""
    scores = golden["scores"]
    cases = [([scores[name]], interquartile_mean, row) for name, row in golden["interquartile_mean"].items()]
    cases += [
        ([scores[name] for name in pair.split(",")], probability_of_improvement, row)
        for pair, row in golden["probability_of_improvement"].items()
    ]
    thresholds = np.array(golden["thresholds"])
    cases += [
        ([scores[name]], lambda resampled: performance_profile(resampled, thresholds), row)
        for name, row in golden["performance_profile"].items()
    ]
    assert len(cases) == 8
    # Four standard errors of the share below an end of an interval, from the repetitions of both.
    error = 4 * np.sqrt(0.025 * 0.975 * (1 / 2000 + 1 / 10_000))
    for groups, statistic, expected in cases:
        inner, outer = (
            stratified_bootstrap(groups, statistic, np.random.default_rng(0), 2000, level)
            for level in (0.95 - 2 * error, 0.95 + 2 * error)
        )
        np.testing.assert_allclose(inner.value, expected["value"], rtol=1e-12)
        assert (outer.low <= np.add(expected["low"], 1e-9)).all()
        assert (np.subtract(expected["low"], 1e-9) <= inner.low).all()
        assert (inner.high <= np.add(expected["high"], 1e-9)).all()
        assert (np.subtract(expected["high"], 1e-9) <= outer.high).all()


def test_interquartile_mean_drops_a_quarter_at_each_end():
    assert interquartile_mean(np.array([[-100.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 100.0]])) == 3.5


def test_probability_of_improvement_is_mann_whitneys():
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 6, (7, 3)).astype(float), rng.integers(0, 6, (5, 3)).astype(float)
    shares = [stats.mannwhitneyu(x[:, task], y[:, task]).statistic / 35 for task in range(3)]
    assert probability_of_improvement(x, y) == pytest.approx(np.mean(shares))


def test_bootstrap_depends_on_its_generator_alone():
    scores = np.random.default_rng(2).uniform(size=(5, 4))
    once, twice = (stratified_bootstrap([scores], interquartile_mean, np.random.default_rng(3), 50) for _ in range(2))
    assert once == twice
    assert once != stratified_bootstrap([scores], interquartile_mean, np.random.default_rng(4), 50)


def test_bootstrap_agrees_with_scipy():
    scores = np.random.default_rng(5).normal(size=(40, 1))
    ours = stratified_bootstrap([scores], np.mean, np.random.default_rng(6), 4000)
    theirs = stats.bootstrap((scores[:, 0],), np.mean, method="percentile", rng=np.random.default_rng(7))
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.02)


def test_bootstrap_keeps_the_weight_of_each_task():
    """Tasks whose seeds agree have no variance, regardless of the differences between tasks."""
    scores = np.tile([0.0, 1.0, 7.0], (5, 1))
    found = stratified_bootstrap([scores], np.mean, np.random.default_rng(0), 100)
    assert found.low == found.value == found.high == pytest.approx(8 / 3)
