"""Measures of roles against closed forms, scipy, and answers computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr

from analysis.measures import roles


def ring(n):
    """Return n points at distance 1 from the origin, in 3-D."""
    angle = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1)


def everyone(features):
    return np.ones(features.shape[:2], bool)


def plain_silhouette(points, labels):
    """Return the silhouette by its definition, one point after the other."""
    gaps, scores = cdist(points, points), []
    for i, label in enumerate(labels):
        mine = [j for j in range(len(labels)) if labels[j] == label and j != i]
        others = [gaps[i, labels == other].mean() for other in set(labels) - {label}]
        within, nearest = (gaps[i, mine].mean() if mine else 0), min(others)
        scores.append((nearest - within) / max(within, nearest) if mine else 0)
    return np.mean(scores)


def test_distances_are_euclidean():
    for size in (3, 50):
        features = np.random.default_rng(0).normal(5, 1, (4, 6, size))
        expected = np.stack([cdist(each, each) for each in features])
        np.testing.assert_allclose(roles.distances(features), expected, atol=1e-6)


def test_silhouette_by_hand():
    # 0 and 1 against 10 and 11: within 1; from the inner points 9.5 to the others, from the outer ones 10.5.
    points = np.array([[[0.0], [1.0], [10.0], [11.0]]])
    labels = np.array([[0, 0, 1, 1]])
    expected = (9.5 / 10.5 + 8.5 / 9.5) / 2
    np.testing.assert_allclose(roles.silhouette(roles.distances(points), labels), [expected])
    # Uncounted agents change nothing, one group gives no silhouette, an agent alone counts 0.
    more = np.concatenate([points, [[[99.0]]]], 1)
    np.testing.assert_allclose(roles.silhouette(roles.distances(more), np.array([[0, 0, 1, 1, -1]])), [expected])
    assert np.isnan(roles.silhouette(roles.distances(points), np.array([[0, 0, 0, -1]]))).all()
    alone = roles.silhouette(roles.distances(points), np.array([[0, 0, 1, -1]]))
    np.testing.assert_allclose(alone, [(9 / 10 + 8 / 9 + 0) / 3])


@given(st.integers(0, 10**6), st.integers(3, 9), st.integers(2, 4))
def test_silhouette_is_its_definition(seed, agents, groups):
    noise = np.random.default_rng(seed)
    points = noise.normal(size=(1, agents, 3))
    labels = noise.integers(0, groups, agents)
    labels[:2] = [0, 1]
    found = roles.silhouette(roles.distances(points), labels[None])
    np.testing.assert_allclose(found, [plain_silhouette(points[0], labels)], atol=1e-6)


def test_clusters_find_heaps_and_leave_out_the_uncounted():
    noise = np.random.default_rng(1)
    heaps = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    truth = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    points = heaps[truth] + noise.normal(0, 0.3, (5, 8, 2))
    counted = np.ones((5, 8), bool)
    counted[2, 7] = False
    labels = roles.clusters(points, counted)
    assert labels[2, 7] == -1
    for found, mask in zip(labels, counted, strict=True):
        same = found[mask][:, None] == found[mask]
        assert (same == (truth[mask][:, None] == truth[mask])).all()


def test_clusters_are_those_of_scipy_from_the_farthest_points():
    points = np.random.default_rng(0).normal(size=(50, 12, 3))
    for found, place in zip(roles.clusters(points, everyone(points)), points, strict=True):
        centres = [place[cdist(place, place.mean(0)[None]).argmax()]]
        while len(centres) < 3:
            centres.append(place[cdist(place, centres).min(1).argmax()])
        assert found.tolist() == kmeans2(place, np.array(centres), roles.ROUNDS, minit="matrix")[1].tolist()


def test_terciles_keep_equal_values_together():
    values = np.array([[1, 2, 3, 4, 5, 6], [9, 9, 9, 9, 9, 9], [1, 1, 1, 1, 5, 7]])
    counted = np.ones((3, 6), bool)
    assert roles.terciles(values, counted).tolist() == [[0, 0, 1, 1, 2, 2], [0] * 6, [0, 0, 0, 0, 2, 2]]
    counted[0, 0] = False
    assert roles.terciles(values, counted)[0].tolist() == [-1, 0, 0, 1, 1, 2]


def test_rank_correlation_agrees_with_scipy():
    noise = np.random.default_rng(2)
    one, other = noise.normal(size=(6, 7, 3)), np.round(noise.normal(size=(6, 7, 2)))  # with ties
    counted = np.ones((6, 7), bool)
    counted[1, :3] = counted[2, :5] = False
    found = roles.rank_correlation(roles.distances(one), roles.distances(other), counted)
    for moment in (0, 1, 3):
        mask = counted[moment]
        pairs = np.triu_indices(mask.sum(), 1)
        gaps = [cdist(each[moment][mask], each[moment][mask])[pairs] for each in (one, other)]
        assert found[moment] == pytest.approx(spearmanr(*gaps).statistic)
    assert np.isnan(found[2])  # two agents
    constant = roles.rank_correlation(np.ones((6, 7, 7)), roles.distances(one), counted)
    assert (constant[[0, 1, 3, 4, 5]] == 0).all()
    assert np.isnan(constant[2])


def test_positions_in_disguise_correlate_fully():
    points = np.random.default_rng(3).normal(size=(3, 6, 2))
    found = roles.rank_correlation(roles.distances(points), roles.distances(points * 7 + 2), everyone(points))
    np.testing.assert_allclose(found, 1)


def test_still_roles_have_no_drift_and_even_motion_has_a_known_one():
    still = np.repeat(ring(4)[None], 6, 0)
    episode = np.zeros(6, int)
    assert roles.spread(still, everyone(still)) == pytest.approx(1)
    assert roles.drift(still, everyone(still), episode) == roles.stability(still, everyone(still), episode) == 0
    walk = still + np.array([0, 0, 0.5]) * np.arange(6)[:, None, None]
    unit = roles.spread(walk, everyone(walk))
    assert roles.stability(walk, everyone(walk), episode) == pytest.approx(0.5 / unit)
    assert roles.drift(walk, everyone(walk), episode) == pytest.approx(2.5 / unit)
    two = np.array([0, 0, 0, 1, 1, 1])
    assert roles.drift(walk, everyone(walk), two) == pytest.approx(1.0 / unit)
    assert roles.stability(walk, everyone(walk), two) == pytest.approx(0.5 / unit)


def test_an_agent_drifts_until_it_dies():
    walk = np.zeros((4, 2, 3))
    walk[:, 0, 0] = [0, 1, 2, 100]
    alive = np.array([[1, 1], [1, 1], [1, 1], [0, 1]], bool)
    assert roles.drift(walk, alive, np.zeros(4, int)) == pytest.approx(np.mean([2, 0]) / roles.spread(walk, alive))


def test_outliers_and_the_dead():
    features = np.concatenate([ring(4), [[0.0, 0.0, 5.0]]])[None]
    assert roles.outermost(features, everyone(features), np.array([4]))[0] == 1
    assert roles.outermost(features, everyone(features), np.array([0]))[0] == pytest.approx(1.5 / 4)
    alive = np.array([[True] * 4 + [False]])
    assert roles.outermost(features, alive, np.array([0]))[0] == 0.5
    assert roles.dead_alive_separation(features, alive)[0] == pytest.approx(5)
    assert np.isnan(roles.dead_alive_separation(features, everyone(features))).all()


@pytest.mark.parametrize("alive", [3, 4, 6, 10])
def test_one_of_exchangeable_agents_is_in_the_middle_of_the_ranks(alive):
    noise = np.random.default_rng(alive)
    features, living = noise.normal(size=(4000, 10, 3)), np.tile(np.arange(10) < alive, (4000, 1))
    assert roles.outermost(features, living, noise.integers(alive, size=4000)).mean() == pytest.approx(0.5, abs=0.02)


def test_pairs_are_scaled_over_those_that_count():
    values = np.array([[[0.0, 2, 9], [4, 0, 9], [9, 9, 0]]])
    pairs = np.zeros((1, 3, 3), bool)
    pairs[0, :2, :2] = ~np.eye(2, dtype=bool)
    found = roles.scaled(values, pairs)
    assert found.tolist() == [[[0, 0, 0], [1, 0, 0], [0, 0, 0]]]
    assert roles.pair_mean(values, pairs).tolist() == [3]
    assert not roles.scaled(np.ones((1, 3, 3)), pairs).any()
