"""Array bounds: the options of the walk in tests/long, and arrays that the engine refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from roma.envs.skirmish.engine import Skirmish
from roma.envs.skirmish.interface import observe, transition
from roma.envs.skirmish.options import EnvOptions
from roma.scenarios import map_names
from roma.support.errors import UserError
from tests.walk import NUMBERS, SWITCHES, option_sets, walk


def test_the_walk_varies_every_option() -> None:
    sets = list(option_sets(50))
    assert {*SWITCHES, *NUMBERS} == set(EnvOptions.__dataclass_fields__)
    assert len(sets) == len(SWITCHES) + sum(map(len, NUMBERS.values())) + 2 + 50 == 80
    assert {tuple(sorted(each)) for each in sets if len(each) == 1} == {(name,) for name in (*SWITCHES, *NUMBERS)}


@pytest.mark.parametrize("map_name", map_names())
def test_all_options_at_once(map_name: str) -> None:
    walk(map_name, dict.fromkeys(SWITCHES, True), scripted=False, seed=0)


def test_the_ground_around_agents_is_flat_and_ends_at_the_edge() -> None:
    """On 3s_vs_3z, which is open: from the second cell, three of the points lie beyond the western edge."""
    env = Skirmish("3s_vs_3z", 1, EnvOptions(obs_pathing_grid=True, obs_terrain_height=True))
    env.reset(np.array([0]))
    env._battles.units["x"][0, 0] = 1.5
    env.step(np.ones((1, 3), int))
    walkable, height = env.obs[0, 0, 4:12], env.obs[0, 0, 12:21]
    np.testing.assert_array_equal(walkable, np.ones(8))
    np.testing.assert_array_equal(height, [0, 0, 0, 1, 0, 1, 0, 1, 0])


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("reset", [np.zeros(3, int)], r"seeds \(3,\) and chosen \(2,\) must have the shape \(2,\)"),
        ("reset", [np.zeros(2, int), np.ones(1, bool)], r"seeds \(2,\) and chosen \(1,\) must have"),
        (
            "step",
            [np.ones((2, 2), int)],
            r"actions \(2, 2\) .* must have the shapes \(2, 3\) and \(2,\)",
        ),
        ("step", [np.ones((2, 3), int), np.ones(1, bool)], r"actions \(2, 3\) and active \(1,\) must have"),
        ("step_scripted", [np.ones(3, bool)], r"active \(3,\) must have the shape \(2,\)"),
    ],
)
def test_arrays_of_a_wrong_shape_are_refused(method: str, arguments: list[Any], message: str) -> None:
    env = Skirmish("3m", 2)
    env.reset(np.arange(2))
    with pytest.raises(ValueError, match=message):
        getattr(env, method)(*arguments)


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (0, lambda array: array[:, :5], r"snapshots has shape \(2, 5, 6\), expected \(2, 6, 6\)"),
        (1, lambda array: array[:, :2], r"last_actions has shape \(2, 2\), expected \(2, 3\)"),
        (1, lambda array: array + 10, r"last action 9 is not below 9, the number of actions"),
        (2, lambda array: array[:1], r"steps has shape \(1,\), expected \(2,\)"),
        (3, lambda array: array[..., :-1], r"obs has shape \(2, 3, 29\), expected \(2, 3, 30\)"),
        (4, lambda array: array[..., :-1], r"state has shape \(2, 47\), expected \(2, 48\)"),
        (5, lambda array: array[..., :-1], r"avail_actions has shape \(2, 3, 8\), expected \(2, 3, 9\)"),
    ],
)
def test_snapshots_of_another_map_are_refused(place: int, change: Any, message: str) -> None:
    env = Skirmish("3m", 2)
    env.reset(np.arange(2))
    arrays = [env.snapshots, env.last_actions, np.zeros(2, int), env.obs, env.state, env.avail_actions]
    env.observe_snapshots(*arrays)
    arrays[place] = np.ascontiguousarray(change(arrays[place]))
    with pytest.raises(ValueError, match=message):
        env.observe_snapshots(*arrays)


def test_positions_of_ones_own_making_must_fit_the_map() -> None:
    side = np.zeros((3, 6))
    observe("3m", side, side)
    with pytest.raises(ValueError, match=r"units has shape \(5, 6\), expected \(6, 6\)"):
        observe("3m", side, side[:2])
    with pytest.raises(ValueError, match=r"last_actions has shape \(2,\), expected \(3,\)"):
        observe("3m", side, side, [1, 1])
    with pytest.raises(ValueError, match=r"last action 9 is not below 9, the number of actions"):
        observe("3m", side, side, [1, 1, 9])
    with pytest.raises(ValueError, match=r"terrain_height has shape \(1, 1\), expected \(32, 32\)"):
        observe("3m", side, side, terrain_height=np.zeros((1, 1)))
    alive = np.ones((3, 6))
    transition("3m", (alive, alive), (alive, alive), (np.zeros(3, bool), np.zeros(3, bool)), 1)
    with pytest.raises(ValueError, match=r"dead_before has shape \(5,\), expected \(6,\)"):
        transition("3m", (alive, alive), (alive, alive), (np.zeros(3, bool), np.zeros(2, bool)), 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"move_amount": float("nan")}, "move_amount = nan must be a finite number"),
        ({"reward_win": float("inf")}, "reward_win = inf must be a finite number"),
        ({"move_amount": 0}, "move_amount = 0 must be above 0"),
        ({"reward_scale_rate": -1}, "reward_scale_rate = -1 must be above 0"),
    ],
)
def test_options_out_of_bounds_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        EnvOptions(**changes)  # type: ignore[arg-type]
