"""Intervals over seeds against scipy and against answers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import stats

from analysis.statistics import (
    Region,
    contrast,
    holm_levels,
    interquartile_mean,
    probability_of_improvement,
    quartiles,
    seeds_needed,
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
    """Tasks whose seeds agree leave nothing to chance, whatever lies between the tasks."""
    scores = np.tile([0.0, 1.0, 7.0], (5, 1))
    found = stratified_bootstrap([scores], np.mean, np.random.default_rng(0), 100)
    assert found.low == found.value == found.high == pytest.approx(8 / 3)


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_contrast_of_two_is_welchs(alpha):
    rng = np.random.default_rng(8)
    x, y = rng.normal(1, 1, 5), rng.normal(0, 3, 9)
    welch = stats.ttest_ind(x, y, equal_var=False)
    found = contrast([x, y], [1, -1])
    assert found.freedom == pytest.approx(welch.df)
    expected = welch.confidence_interval(1 - alpha)
    np.testing.assert_allclose(found.interval(alpha), (expected.low, expected.high))
    assert Region(low=0).p_value(found) == pytest.approx(welch.pvalue)


def test_contrast_of_differences_is_the_paired_test():
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=6), rng.normal(size=6)
    paired = stats.ttest_rel(x, y)
    found = contrast([x - y], [1])
    expected = paired.confidence_interval(0.95)
    np.testing.assert_allclose(found.interval(), (expected.low, expected.high))
    assert Region(low=0).p_value(found) == pytest.approx(paired.pvalue)


def test_contrast_without_spread_is_certain():
    found = contrast([np.full(3, 0.5), np.full(4, 0.25)], [1, -1])
    assert found == (0.25, 0.0, 2.0)
    assert found.interval() == (0.25, 0.25)
    assert Region(low=0).p_value(found) == 0
    assert Region(low=0.25).p_value(found) == 1


def test_holm_by_hand():
    """0.01, 0.02, 0.04 and 0.5 against 0.05 / 4, / 3, / 2 and / 1: the second fails at 1 / 60, and so do the rest."""
    assert holm_levels([0.04, 0.01, 0.5, 0.02]) == pytest.approx([0.05 / 3, 0.0125, 0.05 / 3, 0.05 / 3])
    assert holm_levels([0.001, 0.002]) == pytest.approx([0.025, 0.05])
    assert holm_levels([]) == []


p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(p_values)
def test_holm_rejects_between_bonferroni_and_no_adjustment(values):
    levels = holm_levels(values)
    rejected = [p < level for p, level in zip(values, levels, strict=True)]
    for p, level, decided in zip(values, levels, rejected, strict=True):
        assert 0.05 / len(values) <= level <= 0.05
        assert decided or p >= 0.05 / len(values)
        assert not decided or all(other for q, other in zip(values, rejected, strict=True) if q < p)


samples = arrays(float, st.integers(3, 8), elements=st.floats(0, 1).map(lambda value: round(value, 3)))


@given(samples, samples, st.floats(0.001, 0.2), st.sampled_from([Region(low=0.1), Region(high=0.0), Region(-0.1, 0.1)]))
def test_interval_decides_exactly_where_the_p_value_does(x, y, alpha, region):
    found = contrast([x, y], [1, -1])
    p = region.p_value(found)
    decided = region.holds(found.interval(alpha))
    if abs(p - alpha) > 1e-9:
        assert decided is ((region.low < found.value < region.high) if p < alpha else None)


@given(samples, samples)
def test_contrast_turns_its_sign_with_its_sides(x, y):
    there, back = contrast([x, y], [1, -1]), contrast([y, x], [1, -1])
    assert there.value == pytest.approx(-back.value)
    assert there.error == pytest.approx(back.error)


@pytest.mark.parametrize(
    ("region", "interval", "verdict"),
    [
        (Region(low=0), (0.1, 0.2), True),
        (Region(low=0), (-0.2, -0.1), False),
        (Region(low=0), (-0.1, 0.1), None),
        (Region(-0.1, 0.1), (-0.05, 0.09), True),
        (Region(-0.1, 0.1), (0.11, 0.2), False),
        (Region(-0.1, 0.1), (0.05, 0.2), None),
        (Region(-0.1, 0.1), (-0.5, 0.5), None),
        (Region(high=1), (0.5, 0.9), True),
    ],
)
def test_a_region_is_decided_by_whole_intervals(region, interval, verdict):
    assert region.holds(interval) is verdict


def test_seeds_needed_have_the_power_they_promise():
    """A difference of 0.1 with deviations of 0.1: simulated at the number found, four of five trials decide."""
    region, deviation = Region(low=0), 0.1
    n = seeds_needed(region, 0.1, 2 * deviation**2, alpha=0.05)
    rng = np.random.default_rng(10)
    trials = [
        region.holds(contrast([rng.normal(0.1, deviation, n), rng.normal(0, deviation, n)], [1, -1]).interval())
        for _ in range(1000)
    ]
    assert 0.8 <= np.mean([trial is True for trial in trials]) <= 0.9
    assert seeds_needed(region, 0.0, 0.1, 0.05) is None
    assert seeds_needed(region, 1e-6, 0.1, 0.05) is None
    assert seeds_needed(region, 0.5, 0.0, 0.05) == 3
