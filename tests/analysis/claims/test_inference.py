"""Tests of contrasts against scipy, and against answers computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from analysis.claims.inference import (
    Region,
    binomial_variance,
    contrast,
    holm_levels,
    moments,
    partial_conjunction,
    seeds_needed,
)


def two_sided(region, estimate):
    """Twice the smaller one-sided p-value."""
    return min(1.0, 2 * min(float(p) for p in region.p_values(estimate)))


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_contrast_of_two_is_welchs(alpha):
    rng = np.random.default_rng(8)
    x, y = rng.normal(1, 1, 5), rng.normal(0, 3, 9)
    welch = stats.ttest_ind(x, y, equal_var=False)
    found = contrast([moments(x), moments(y)], [1, -1])
    assert found.freedom == pytest.approx(welch.df)
    expected = welch.confidence_interval(1 - alpha)
    np.testing.assert_allclose(found.interval(alpha), (expected.low, expected.high))
    assert two_sided(Region(low=0), found) == pytest.approx(welch.pvalue)


def test_contrast_of_differences_is_the_paired_test():
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=6), rng.normal(size=6)
    paired = stats.ttest_rel(x, y)
    found = contrast([moments(x - y)], [1])
    expected = paired.confidence_interval(0.95)
    np.testing.assert_allclose(found.interval(), (expected.low, expected.high))
    assert two_sided(Region(low=0), found) == pytest.approx(paired.pvalue)


def test_contrast_without_spread_is_certain():
    found = contrast([moments(np.full(3, 0.5)), moments(np.full(4, 0.25))], [1, -1])
    assert found == (0.25, 0.0, 2.0)
    assert found.interval() == (0.25, 0.25)
    assert two_sided(Region(low=0), found) == 0
    assert two_sided(Region(low=0.25), found) == 1


def test_holm_by_hand():
    """0.01, 0.02, 0.04 and 0.5 against 0.05 / 4, / 3, / 2 and / 1: the second fails at 1 / 60, and so do all others."""
    expected = [0.05 / 3, 0.0125, 0.05 / 3, 0.05 / 3]
    assert holm_levels(np.array([0.04, 0.01, 0.5, 0.02])) == pytest.approx(expected)
    assert holm_levels(np.array([0.001, 0.002])) == pytest.approx([0.025, 0.05])
    many = np.array([[0.04, 0.001], [0.01, 0.002], [0.5, 0.003], [0.02, 0.004]])
    np.testing.assert_allclose(holm_levels(many), np.transpose([expected, [0.0125, 0.05 / 3, 0.025, 0.05]]))


p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12).map(np.array)


@given(p_values)
def test_holm_rejects_between_bonferroni_and_no_adjustment(values):
    levels = holm_levels(values)
    rejected = values < levels
    for p, level, decided in zip(values, levels, rejected, strict=True):
        assert 0.05 / len(values) <= level * (1 + 1e-12)
        assert level <= 0.05
        assert decided or p >= 0.05 / len(values)
        assert not decided or all(other for q, other in zip(values, rejected, strict=True) if q < p)


def test_partial_conjunction_by_hand():
    values = np.array([0.04, 0.01, 0.3])
    assert [partial_conjunction(values, least) for least in (1, 2, 3)] == pytest.approx([0.03, 0.08, 0.3])
    assert partial_conjunction(np.array([0.6, 0.7]), 1) == 1


@pytest.mark.parametrize("least", [1, 2, 3])
def test_a_partial_conjunction_keeps_its_level(least):
    """All but `least` - 1 statements are false, and the others are certain to be found: the level is at most 5 %."""
    rng = np.random.default_rng(least)
    uniform = rng.uniform(size=(3, 20_000))
    uniform[: least - 1] = 0
    assert 0.04 <= np.mean(partial_conjunction(uniform, least) < 0.05) <= 0.053


def test_repetitions_are_axes_in_front():
    rng = np.random.default_rng(11)
    x, y = rng.uniform(size=(2, 7, 5))
    together = contrast([moments(x, 0.01), moments(y, 0.2)], [1, -1])
    apart = [contrast([moments(a, 0.01), moments(b, 0.2)], [1, -1]) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(np.transpose(together), apart)
    inside, outside = Region(-0.1, 0.1).p_values(together)
    np.testing.assert_allclose(np.transpose([inside, outside]), [Region(-0.1, 0.1).p_values(each) for each in apart])


def test_seeds_that_agree_keep_the_chance_of_their_episodes():
    """None of 32 episodes is won: half a win is added, 0.5 / 33."""
    share = 0.5 / 33
    within = binomial_variance(np.zeros(4), 32)
    assert within == pytest.approx(share * (1 - share) / 32)
    assert contrast([moments(np.zeros(4), within)], [1.0]).error == pytest.approx(np.sqrt(within / 4))
    wide = np.array([0.1, 0.9])
    assert moments(wide, within) == moments(wide)


samples = arrays(float, st.integers(3, 8), elements=st.floats(0, 1).map(lambda value: round(value, 3)))


@given(samples, samples, st.floats(0.001, 0.2), st.sampled_from([Region(low=0.1), Region(high=0.0), Region(-0.1, 0.1)]))
def test_p_values_decide_exactly_where_the_interval_does(x, y, alpha, region):
    found = contrast([moments(x), moments(y)], [1, -1])
    inside, outside = region.p_values(found)
    low, high = found.interval(alpha)
    if abs(2 * inside - alpha) > 1e-9:
        assert (2 * inside < alpha) is np.bool_(region.low < low and high < region.high)
    if abs(2 * outside - alpha) > 1e-9:
        assert (2 * outside < alpha) is np.bool_(high < region.low or low > region.high)


@given(samples, samples)
def test_contrast_turns_its_sign_with_its_sides(x, y):
    there, back = contrast([moments(x), moments(y)], [1, -1]), contrast([moments(y), moments(x)], [1, -1])
    assert there.value == pytest.approx(-back.value)
    assert there.error == pytest.approx(back.error)


def test_seeds_needed_have_the_power_they_promise():
    """A difference of 0.1 with deviations of 0.1: four of five studies with the returned number of seeds decide."""
    region, deviation = Region(low=0), 0.1
    n = seeds_needed(region, 0.1, 2 * deviation**2, alpha=0.05)
    rng = np.random.default_rng(10)
    first, second = rng.normal([[[0.1]], [[0.0]]], deviation, (2, 1000, n))
    inside, _ = region.p_values(contrast([moments(first), moments(second)], [1, -1]))
    assert 0.8 <= np.mean(2 * inside < 0.05) <= 0.9
    assert seeds_needed(region, 0.0, 0.1, 0.05) is None
    assert seeds_needed(region, 1e-6, 0.1, 0.05) is None
    assert seeds_needed(region, 0.5, 0.0, 0.05) == 3
