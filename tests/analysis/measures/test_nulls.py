"""Null models: the properties of roles and observations that they keep, and those that they randomise."""

import numpy as np
import pandas as pd
import pytest

from analysis.measures import nulls
from analysis.measures.measurements import chance_of


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_projection_is_linear_and_principal_components_hold_most_of_the_variance(rng):
    obs = rng.normal(size=(50, 4, 8)) * np.array([9, 8, 7, 1, 1, 1, 1, 1])
    doubled = nulls.projected(2 * obs, np.random.default_rng(1))
    np.testing.assert_allclose(doubled, 2 * nulls.projected(obs, np.random.default_rng(1)))
    assert doubled.shape == (50, 4, 3)
    counted = np.ones((50, 4), bool)
    counted[0] = False
    found = nulls.principal(obs, counted)
    assert found[counted].var(0).sum() == pytest.approx(obs[counted][:, :3].var(0).sum(), rel=0.05)
    changed = obs.copy()
    changed[0] *= 1000  # rows of moments that do not count
    np.testing.assert_allclose(nulls.principal(changed, counted)[1:], found[1:])


def test_roles_are_exchanged_among_the_living_alone(rng):
    features = np.arange(2000 * 5).reshape(2000, 5, 1)
    living = rng.random((2000, 5)) < 0.6
    found = nulls.permuted(features, living, rng)
    assert (found[~living] == features[~living]).all()
    kept = [np.sort(np.where(living, each[..., 0], -1), 1) for each in (found, features)]
    np.testing.assert_array_equal(*kept)
    whole = living.all(1)
    source = (found - features[:, :1])[whole, :, 0]
    assert np.bincount(source[:, 0], minlength=5) / whole.sum() == pytest.approx([0.2] * 5, abs=0.12)


def test_structureless_roles_have_just_the_mean_and_the_covariance(rng):
    features = rng.normal(size=(6, 9, 3)) @ np.diag([5, 1, 0.1]) + 7
    counted = np.ones((6, 9), bool)
    counted[0, 5:] = False
    found = nulls.structureless(features, counted, rng)
    for one, other, mask in zip(found, features, counted, strict=True):
        np.testing.assert_allclose(one[mask].mean(0), other[mask].mean(0))
        np.testing.assert_allclose(np.cov(one[mask].T), np.cov(other[mask].T), atol=1e-9)
    assert abs(found - features)[counted].max() > 1
    flat = np.pad(rng.normal(size=(2, 5, 1)), ((0, 0), (0, 0), (0, 2)))  # roles on a line stay on it
    np.testing.assert_allclose(nulls.structureless(flat, np.ones((2, 5), bool), rng)[..., 1:], 0, atol=1e-9)


def test_shifted_attacks_keep_each_rhythm(rng):
    attacks = (np.arange(12)[:, None] % np.array([2, 3, 4])) == 0
    found = nulls.shifted(attacks, rng)
    for one, other in zip(found.T, attacks.T, strict=True):
        assert any((np.roll(other, step) == one).all() for step in range(12))


def test_chance_is_that_of_episodes_and_never_none_of_a_share():
    values = pd.Series(np.random.default_rng(0).normal(size=32))
    assert chance_of(values) == pytest.approx(values.var(ddof=1) / 32)
    assert chance_of(pd.Series([1.0] * 32)) == pytest.approx((32.5 / 33) * (0.5 / 33) / 32)
    assert np.isnan(chance_of(pd.Series([0.3])))
