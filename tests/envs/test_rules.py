"""Constants of the kernel, computed from custom maps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roma.envs.skirmish.options import DEFAULT_CHOICES
from roma.envs.skirmish.rules import build_rules, rules_of
from roma.scenarios import load_map, load_units
from roma.support.errors import UserError


def test_an_army_without_room_is_refused() -> None:
    """The map has half the distance between two Marines; the message names file, group, place and setting."""
    with pytest.raises(UserError, match=r"^3m\.json: no room for 3 Marine around \[9, 16\] with formation_gap = 16$"):
        build_rules("3m", replace(DEFAULT_CHOICES, formation_gap=16))


def test_an_army_keeps_its_formation_wherever_its_goal_is_drawn() -> None:
    """At both ends of the target's line each enemy has a place in the same formation."""
    ends = [(9.0, 14.0), (9.0, 18.0)]
    scenario = replace(load_map("8m"), enemy_attack_move=ends)
    rules = rules_of(scenario, load_units(), DEFAULT_CHOICES)
    enemies = rules.unit[rules.n_allies :]
    assert rules.drawn_goal
    np.testing.assert_allclose(enemies["goal_to_x"], enemies["goal_x"])
    np.testing.assert_allclose(enemies["goal_to_y"] - enemies["goal_y"], 4)
    assert len({tuple(place) for place in enemies[["goal_x", "goal_y"]].tolist()}) == 8
    everyone = rules_of(scenario, load_units(), replace(DEFAULT_CHOICES, keep_formation=False)).unit[rules.n_allies :]
    np.testing.assert_array_equal(everyone["goal_y"], np.full(8, 14))
    np.testing.assert_array_equal(everyone["goal_to_y"], np.full(8, 18))


def test_enemies_without_an_order_guard_their_places() -> None:
    rules = rules_of(replace(load_map("3m"), enemy_attack_move=None), load_units(), DEFAULT_CHOICES)
    assert not rules.attack_move
    assert not rules.drawn_goal
    np.testing.assert_array_equal(rules.unit["goal_x"], rules.unit["spawn_x"])
