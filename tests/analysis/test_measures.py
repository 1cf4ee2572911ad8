"""What the measures say of episodes made up so that the answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from analysis import measures
from roma.rollout_file import NOBODY, Milestone

TYPES = ["Zealot", "Zealot", "Stalker", "Stalker"]


def milestone(agents=4, enemies=2, lengths=(40, 40), **changes):
    """Agents in a row that walk east at half a map unit a step, enemies far in the east, roles at random, all alive."""
    noise = np.random.default_rng(0)
    moments = sum(lengths) + len(lengths)
    units = np.zeros((moments, agents + enemies, 6), np.float32)
    units[..., 1] = 10 + np.arange(agents + enemies)
    units[:, agents:, 0], units[:, agents:, 1] = 30, 11.5
    units[..., 2] = 100
    start = 0
    for length in lengths:
        steps = np.arange(length + 1)
        units[start : start + length + 1, :agents, 0] = 0.5 * steps[:, None]
        start += length + 1
    actions = np.full((moments, agents), 3, np.int8)
    actions[np.cumsum(np.array(lengths) + 1) - 1] = NOBODY
    pairs = (moments, agents, agents)
    values = {
        "step": 0,
        "seeds": np.arange(len(lengths)),
        "won": np.ones(len(lengths), bool),
        "lengths": np.array(lengths),
        "types": np.zeros((len(lengths), agents + enemies), np.uint8),
        "units": units,
        "actions": actions,
        "role_mean": noise.normal(size=(moments, agents, 3)).astype(np.float32),
        "role_variance": np.ones((moments, agents, 3), np.float32),
        "divergence": np.full((moments, agents), 0.25, np.float32),
        "information": noise.normal(size=pairs).astype(np.float16),
        "dissimilarity": noise.random(pairs).astype(np.float16),
        "rows": np.argwhere(actions != NOBODY)[agents:].astype(np.int32),
        "trajectory": np.zeros((1, 8), np.float16),
    }
    return Milestone(**values | changes)


def test_roles_that_are_positions_correlate_with_positions_only():
    plain = milestone()
    plain.units[..., 2] = np.random.default_rng(1).uniform(50, 100, plain.units.shape[:2])
    found = measures.of_features(plain, ["Zealot"] * 4, "8m", plain.units[:, :4, :2])
    assert found["position_correlation_first"] == found["position_correlation_late"] == pytest.approx(1)
    assert abs(found["health_correlation_late"]) < 0.2
    assert "silhouette_type" not in found
    assert found["silhouette_position_first"] == pytest.approx((1 / 3 + 0) / 2, abs=0.2)


def test_roles_that_are_types_separate_types():
    plain = milestone()
    features = np.zeros((82, 4, 3))
    features[:, 2:] = 1
    found = measures.of_features(plain, TYPES, "2s3z", features)
    assert found["silhouette_type"] == found["silhouette_type_first"] == 1
    assert found["drift"] == found["stability"] == 0
    assert found["mean_role_spread"] == pytest.approx(np.sqrt(3) * 4 / 6)


def test_healing_is_told_from_killing_on_mmm2():
    names = ["Marauder", "Marauder", "Marine", "Marine", "Medivac"]
    plain = milestone(agents=5)
    place = {"Marauder": 0.0, "Marine": 3.0, "Medivac": 50.0}
    features = np.array([[[place[name], number % 2, 0.0] for number, name in enumerate(names)]] * 82)
    found = measures.of_features(plain, names, "MMM2", features)
    apart = np.mean([np.hypot(50 - place[name], number % 2) for number, name in enumerate(names[:4])])
    assert found["medivac_separation"] == pytest.approx(apart)
    assert found["marine_marauder_separation"] == pytest.approx((3 + np.hypot(3, 1)) / 2)


def test_the_healthiest_is_an_outlier_that_advances():
    plain = milestone(agents=3, enemies=1)
    plain.units[:, 1, 2] = 200
    ahead = np.arange(len(plain.units)) % 41
    plain.units[:, 1, 0] = 0.75 * ahead
    features = np.zeros((82, 3, 3))
    features[:, 0, 0], features[:, 2, 0], features[:, 1, 2] = -1, 1, 4
    found = measures.of_features(plain, ["Marine"] * 3, "10m_vs_11m", features)
    assert found["healthiest_outlier"] == pytest.approx(4)
    behaviour = measures.of_behaviour(plain, ["Marine"] * 3, "10m_vs_11m")
    assert behaviour["healthiest_advance"] == pytest.approx(0.25, abs=0.02)
    assert np.isnan(behaviour["fire_alternation"])


@pytest.mark.parametrize(("pattern", "share"), [([[6, 3], [3, 6]], 1), ([[6, 3], [6, 3]], 0), ([[6, 6], [6, 3]], 1)])
def test_alternating_fire(pattern, share):
    plain = milestone(agents=2, lengths=(40,))
    plain.actions[:40] = np.tile(pattern, (20, 1))
    assert measures.of_behaviour(plain, ["Marine"] * 2, "10m_vs_11m")["fire_alternation"] == share


def dead_from(plain, unit, moment):
    plain.units[moment:41, unit, 2] = 0


def test_the_sacrificed_zealot():
    plain = milestone(lengths=(40,))
    dead_from(plain, 1, 10)
    dead_from(plain, 0, 20)
    dead_from(plain, 2, 30)
    plain.units[:41, 0, 0] = plain.units[:41, 2, 0] = plain.units[:41, 3, 0] = 5
    found = measures.of_behaviour(plain, TYPES, "6s4z_vs_10b30z")
    assert found == {"first_zealot_motion": pytest.approx(0.5), "zealots_one_by_one": 1}
    features = np.zeros((41, 4, 3))
    features[:, 0, 0], features[:, 2, 0], features[9, 1, 1] = -1.5, 1.5, 3
    outlier = measures.of_features(plain, TYPES, "6s4z_vs_10b30z", features)["first_zealot_outlier"]
    assert outlier == pytest.approx(np.hypot(0, 3) / 1)


@pytest.mark.parametrize(
    ("deaths", "share"), [({0: 20, 1: 10, 3: 30}, 1), ({0: 20, 1: 20}, 0), ({0: 20, 1: 10, 3: 15}, 0), ({0: 5}, np.nan)]
)
def test_zealots_die_one_by_one_before_any_stalker(deaths, share):
    plain = milestone(lengths=(40,))
    for unit, moment in deaths.items():
        dead_from(plain, unit, moment)
    found = measures.of_behaviour(plain, TYPES, "6s4z_vs_10b30z")["zealots_one_by_one"]
    np.testing.assert_equal(found, share)


def test_groups_before_the_first_explosion():
    names = ["Baneling", "Baneling", "Zergling", "Zergling"]
    plain = milestone(lengths=(40,))
    dead_from(plain, 0, 12)
    features = np.random.default_rng(0).normal(size=(41, 4, 3))
    features[11] = 0
    features[11, :2] = 1
    assert measures.of_features(plain, names, "6z4b", features)["group_silhouette"] == 1


def test_losses_are_read_as_recorded():
    of_type = np.array(TYPES)
    apart = np.where(of_type[:, None] != of_type, 2.0, 0.5)
    information = np.where(apart > 1, -5.0, 0.0)
    plain = milestone(
        dissimilarity=np.tile(apart, (82, 1, 1)).astype(np.float16),
        information=np.tile(information, (82, 1, 1)).astype(np.float16),
    )
    found = measures.of_losses(plain, TYPES)
    assert found["L_I"] == 0.25
    assert found["dissimilarity_between"] == found["d_when_I_low"] == found["dissimilarity_auc"] == 1
    assert found["dissimilarity_within"] == found["d_when_I_high"] == 0
    assert found["dissimilarity_threshold_accuracy"] == 1
    without = milestone(dissimilarity=np.zeros((82, 0, 0), np.float16))
    assert set(measures.of_losses(without, TYPES)) == {"L_I"}


def test_probes_find_what_was_put_there():
    noise = np.random.default_rng(3)
    plain = milestone(lengths=(40,) * 8)
    moment, agent = plain.rows.T
    plain.actions[plain.decides] = noise.integers(0, 5, (320, 4))
    obs = noise.normal(size=(len(plain.units), 4, 6)).astype(np.float32)
    role = plain.role_mean[moment, agent]
    known = replace(plain, trajectory=(role @ noise.normal(size=(3, 8))).astype(np.float16))
    of_roles, of_observations = measures.of_probes(known, obs)
    assert of_roles["probe_role"] > 0.95
    assert of_observations["probe_role"] < 0.1
    assert abs(of_roles["probe_action_gain"]) < 0.1
    assert of_observations["probe_action_observation"] == pytest.approx(0.2, abs=0.08)
    telling = np.eye(3)[plain.actions.clip(0) % 3].astype(np.float32)
    told = replace(known, role_mean=telling)
    assert measures.of_probes(told, obs)[0]["probe_action_gain"] > 0.2
