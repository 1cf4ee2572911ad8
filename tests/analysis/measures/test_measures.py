"""Measures of behaviour on simulated episodes with known answers."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.measures import behaviour, influence
from analysis.measures import milestones as measures
from tests.milestones import milestone

TYPES = ["Zealot", "Zealot", "Stalker", "Stalker"]


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


def test_the_healthiest_is_outermost_and_advances_as_the_others_retreat():
    plain = milestone(agents=3, enemies=1)
    plain.units[:, 1, 2] = 200
    ahead = np.arange(len(plain.units)) % 41
    plain.units[:, :3, 0] = 5 - 0.25 * ahead[:, None]
    plain.units[:, 1, 0] = 5 + 0.75 * ahead
    features = np.zeros((82, 3, 3))
    features[:, 0, 0], features[:, 2, 0], features[:, 1, 2] = -1, 1, 4
    found = measures.of_features(plain, ["Marine"] * 3, "10m_vs_11m", features)
    assert found["healthiest_rank"] == 1
    told = behaviour.of_behaviour(plain, ["Marine"] * 3, "10m_vs_11m")
    assert told["healthiest_advance"] == pytest.approx(0.75, abs=0.03)
    assert told["others_retreat"] == pytest.approx(0.25, abs=0.03)
    assert np.isnan(told["fire_alternation"])
    assert np.isnan(told["agents_in_range"])


@pytest.mark.parametrize(("pattern", "share"), [([[6, 3], [3, 6]], 0.5), ([[6, 6], [3, 3]], 0), ([[6, 6], [6, 6]], 0)])
def test_alternating_fire_hands_over(pattern, share):
    plain = milestone(agents=2, lengths=(41,))
    plain.actions[:41] = np.tile(pattern, (21, 1))[:41]
    found = behaviour.of_behaviour(plain, ["Marine"] * 2, "10m_vs_11m")["fire_alternation"]
    assert found == pytest.approx(share)
    # under the null of shifted rhythms, half of the phases alternate on average
    shifted = behaviour.shifted_fire(plain, np.random.default_rng(0))["fire_alternation"]
    assert shifted == pytest.approx(0.25, abs=0.15) if pattern[0] != pattern[1] else shifted == 0


def test_agents_in_range_at_the_first_hit():
    plain = milestone(agents=4, enemies=2, lengths=(40, 40))
    plain.units[20:41, 4, 2] = 90
    plain.units[20, :3, 0] = 25
    assert behaviour.in_range_at_contact(plain).tolist() == [0.75]
    plain.units[15:41, 0, 2] = 0
    assert behaviour.in_range_at_contact(plain).tolist() == [0]


def dead_from(plain, unit, moment):
    plain.units[moment:41, unit, 2] = 0


def test_the_sacrificed_zealot():
    plain = milestone(lengths=(40,))
    dead_from(plain, 1, 10)
    dead_from(plain, 0, 20)
    dead_from(plain, 2, 30)
    plain.units[:41, 0, 0] = plain.units[:41, 2, 0] = plain.units[:41, 3, 0] = 5
    found = behaviour.of_behaviour(plain, TYPES, "6s4z_vs_10b30z")
    assert found == {"first_zealot_motion": pytest.approx(0.5), "zealots_one_by_one": 1}
    features = np.zeros((41, 4, 3))
    features[:, 0, 0], features[:, 2, 0], features[9, 1, 1] = -1.5, 1.5, 3
    assert measures.of_features(plain, TYPES, "6s4z_vs_10b30z", features)["first_zealot_rank"] == 1


@pytest.mark.parametrize(
    ("deaths", "share"), [({0: 20, 1: 10, 3: 30}, 1), ({0: 20, 1: 20}, 0), ({0: 20, 1: 10, 3: 15}, 0), ({0: 5}, np.nan)]
)
def test_zealots_die_one_by_one_before_any_stalker(deaths, share):
    plain = milestone(lengths=(40,))
    for unit, moment in deaths.items():
        dead_from(plain, unit, moment)
    found = behaviour.of_behaviour(plain, TYPES, "6s4z_vs_10b30z")["zealots_one_by_one"]
    np.testing.assert_equal(found, share)


ZERG = ["Baneling"] * 4 + ["Zergling"] * 6


def test_groups_before_the_first_explosion_and_what_they_do():
    plain = milestone(agents=10, lengths=(40,))
    dead_from(plain, 0, 12)
    features = np.random.default_rng(0).normal(size=(41, 10, 3))
    features[11] = 0
    features[11, :6] = 1
    plain.actions[11:30, :6] = 6
    found = measures.of_features(plain, ZERG, "6z4b", features)
    assert found["group_silhouette"] == found["group_difference"] == 1
    plain.actions[11:30, :6] = np.where(np.arange(6) % 2, 6, 1)
    assert measures.of_features(plain, ZERG, "6z4b", features)["group_difference"] < 0.8
    plain.actions[11:30] = 1
    assert np.isnan(measures.of_features(plain, ZERG, "6z4b", features)["group_difference"])


def test_zerglings_wait_farther_away():
    plain = milestone(agents=10, lengths=(40,))
    plain.units[:, :, 1] = 11.5
    dead_from(plain, 0, 12)
    plain.units[11, 4:6, 0], plain.units[11, 6:10, 0] = 28, 21
    assert behaviour.of_behaviour(plain, ZERG, "6z4b") == {"zerglings_wait": pytest.approx(7)}


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
    names, rng = ["Marine"] * 4, np.random.default_rng(5)
    moment, agent = plain.rows.T
    plain.actions[plain.decides] = noise.integers(0, 5, (320, 4))
    obs = noise.normal(size=(len(plain.units), 4, 6)).astype(np.float32)
    role = plain.role_mean[moment, agent]
    known = replace(plain, trajectory=(role @ noise.normal(size=(3, 8))).astype(np.float16))
    of_roles, of_observations = measures.of_probes(known, names, obs, rng)
    assert of_roles["probe_role"] > 0.95
    assert of_observations["probe_role"] < 0.1
    assert abs(of_roles["probe_action_gain"]) < 0.1
    assert of_observations["probe_action_observation"] == pytest.approx(0.2, abs=0.08)
    telling = np.eye(3)[plain.actions.clip(0) % 3].astype(np.float32)
    told = replace(known, role_mean=telling)
    assert measures.of_probes(told, names, obs, rng)[0]["probe_action_gain"] > 0.2


def test_roles_that_decide_and_roles_that_do_not():
    plain = milestone(agents=3, role_variance=np.full((82, 3, 3), 0.25, np.float32))
    none = influence.of_influence(plain, ["Marine"] * 3)
    assert none["changed_by_resampling"] == none["changed_by_exchange"] == none["return_lost"] == none["wins_lost"] == 0
    assert none["mean_share"] == pytest.approx(0.8, abs=0.02)  # of variance 1 + 1/4
    assert none["mean_share_agents"] == pytest.approx(0.8 * 2 / 3, abs=0.03)  # about the mean of three
    assert none["sigma"] == 0.5
    assert "changed_by_exchange_of_type" not in none
    # Only agent 2 follows roles: with another agent's role it acts like that agent; one in four own draws is another's.
    changed, drawn = plain.exchanged.copy(), plain.resampled.copy()
    changed[:, 2], drawn[:, 2, 0] = 5, 5
    lost = replace(plain, exchanged=changed, resampled=drawn, shuffled_returns=np.array([18, 16], np.float32))
    found = influence.of_influence(lost, ["Marine", "Marine", "Medivac"])
    assert found["changed_by_resampling"] == pytest.approx(0.5 / 3)
    assert found["changed_by_exchange"] == pytest.approx(0.75 / 3)
    assert found["changed_by_exchange_of_type"] == 0
    assert found["return_lost"] == 3


def test_behaviour_follows_roles_where_actions_do():
    plain = milestone(agents=4, lengths=(40,))
    place = np.random.default_rng(0).permuted(np.tile([0, 0, 1, 1], (40, 1)), axis=1)
    plain.resampled[:] = 2 + place[..., None]
    apart = influence.action_distance(plain)
    assert (apart[0] == (place[0][:, None] != place[0])).all()
    features = np.zeros((41, 4, 3))
    features[:40, :, 0] = place
    assert influence.behaviour_correlation(plain, features, apart) == pytest.approx(1)
    assert abs(influence.behaviour_correlation(plain, plain.role_mean, apart)) < 0.2
