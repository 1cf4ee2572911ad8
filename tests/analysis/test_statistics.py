"""Intervals over seeds against scipy and against answers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import stats

from analysis.statistics import student_interval


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
