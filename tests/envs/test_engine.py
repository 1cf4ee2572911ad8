"""Properties of the engine: determinism given the seed, independence of parallel battles, and valid states."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from roma.envs import make
from roma.envs.skirmish import kernel
from roma.envs.skirmish.engine import RandomPolicy, Skirmish
from roma.envs.skirmish.options import Choices
from roma.scenarios import map_names
from roma.scenarios.actions import EAST, NOTHING
from roma.scenarios.rows import ENERGY, HEALTH, SHIELD, X, Y
from roma.support.errors import UserError


def random_play(map_name: str, seeds: list[int], steps: int) -> list[NDArray[np.float64]]:
    """Return snapshots of battle 0 over some timesteps; the actions of each battle come from its own stream."""
    env = Skirmish(map_name, len(seeds))
    policies = [RandomPolicy(seed) for seed in seeds]
    env.reset(np.array(seeds))
    active, path = np.ones(len(seeds), bool), [env.snapshots[0].copy()]
    for _ in range(steps):
        actions = np.concatenate([policy(env.avail_actions[b : b + 1]) for b, policy in enumerate(policies)])
        active &= ~env.step(actions, active).terminated
        path.append(env.snapshots[0].copy())
    return path


def test_seeds_differ() -> None:
    first, second = (random_play("3m", [seed], 30) for seed in (1, 2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("map_name", map_names())
def test_snapshots_show_again_what_was_seen(map_name: str) -> None:
    env, policy = Skirmish(map_name, 2), RandomPolicy(3)
    env.reset(np.array([8, 9]))
    for step in range(25):
        again = np.full_like(env.obs, 9), np.full_like(env.state, 9), np.ones_like(env.avail_actions)
        env.observe_snapshots(env.snapshots, env.last_actions, np.full(2, step), *again)
        for shown, recomputed in zip((env.obs, env.state, env.avail_actions), again, strict=True):
            np.testing.assert_array_equal(shown, recomputed)
        if env.step(policy(env.avail_actions)).terminated.any():
            break


@pytest.mark.parametrize("map_name", map_names())
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**62))
def test_nothing_impossible_happens(map_name: str, seed: int) -> None:
    """Bounds, terrain, collisions, the dead, and that the reward pays for each point that an enemy lost or regained."""
    env = Skirmish(map_name, 1)
    policy, unit = RandomPolicy(seed), env.rules.unit
    enemies = slice(env.info.n_agents, None)
    height, width = env.rules.walkable.shape
    most = env.rules.enemy_points + 10 * env.info.n_enemies + 200
    env.reset(np.array([seed]))
    previous = env.snapshots[0].copy()
    for _ in range(env.info.episode_limit):
        outcome = env.step(policy(env.avail_actions))
        now = env.snapshots[0]
        assert np.isfinite(now).all()
        assert np.isfinite(env.obs).all()
        assert ((now[:, HEALTH] >= 0) & (now[:, HEALTH] <= unit["health_max"])).all()
        assert ((now[:, SHIELD] >= 0) & (now[:, SHIELD] <= unit["shield_max"])).all()
        assert ((now[:, ENERGY] >= 0) & (now[:, ENERGY] <= unit["energy_max"])).all()
        dead = previous[:, HEALTH] == 0
        np.testing.assert_array_equal(now[dead], previous[dead])
        assert ((now[:, [X, Y]] >= 0) & (now[:, [X, Y]] < (width, height))).all()
        for motion in (kernel.WALKS, kernel.CLIMBS):
            living = (unit["motion"] == motion) & (now[:, HEALTH] > 0)
            x, y = now[living, X], now[living, Y]
            assert env.rules.passable[motion, y.astype(int), x.astype(int)].all()
            room = env.rules.separation[living][:, None] + env.rules.separation[living][None, :]
            distance = np.hypot(x[:, None] - x, y[:, None] - y) + 1e9 * np.eye(len(x))
            assert (distance >= room - 1e-6).all()
        assert (np.hypot(*(now - previous)[:, :2].T) <= 8 * unit["speed"] + 1e-9).all()
        points = [np.where(u[:, HEALTH] > 0, u[:, HEALTH] + u[:, SHIELD], 0)[enemies] for u in (previous, now)]
        deaths = (~dead & (now[:, HEALTH] == 0))[enemies].sum()
        paid = abs((points[0] - points[1]).sum() + 10 * deaths) + 200 * outcome.battle_won[0]
        assert outcome.reward[0] == pytest.approx(paid / (most / 20), abs=1e-9)
        previous = now.copy()
        if outcome.terminated[0]:
            return
    pytest.fail("the battle outlasted its limit")


def test_a_clean_win_returns_twenty() -> None:
    """Marines neither heal nor regenerate: a won battle's rewards sum to exactly 20."""
    env = Skirmish("3m", 256)
    env.reset(np.arange(256))
    active, won, total = np.ones(256, bool), np.zeros(256, bool), np.zeros(256)
    while active.any():
        # Attack the first enemy in reach, otherwise move east: this policy wins some battles.
        attack, alive = env.avail_actions[:, :, 6:], env.avail_actions[:, :, 1]
        actions = np.where(attack.any(-1), 6 + attack.argmax(-1), np.where(alive, EAST, NOTHING))
        outcome = env.step(actions, active)
        total += outcome.reward
        won |= outcome.battle_won
        active &= ~outcome.terminated
    assert won.sum() > 10
    np.testing.assert_allclose(total[won], 20, atol=1e-9)
    assert (total[~won] < 20).all()


def test_engines_are_made_by_name() -> None:
    assert make("embedded", "3m", 2).deterministic
    with pytest.raises(UserError, match="did you mean 'embedded'"):
        make("embeded", "3m", 1)


def test_unavailable_actions_are_refused() -> None:
    env = Skirmish("3m", 1)
    env.reset(np.array([0]))
    for action in (0, 6, 9, -1):  # no-op while alive, target out of reach, beyond the last action, negative
        with pytest.raises(ValueError, match="agent 1"):
            env.step(np.array([[1, action, 1]]))


def test_inactive_battles_stand_still() -> None:
    env, policy = Skirmish("3m", 2), RandomPolicy(0)
    env.reset(np.array([1, 2]))
    before = env.snapshots[1].copy()
    outcome = env.step(policy(env.avail_actions), np.array([True, False]))
    np.testing.assert_array_equal(env.snapshots[1], before)
    assert outcome.reward[1] == 0
    assert not outcome.terminated[1]


def test_a_hemmed_in_enemy_has_not_arrived() -> None:
    """An enemy that stands still because its way is blocked has not arrived: it marches on afterwards."""
    env = Skirmish("3m", 1, choices=Choices(patience=4))
    env.reset(np.array([0]))
    battles, enemy = env._battles, env.info.n_agents
    battles.units["health"][0, :enemy] = 0  # no opponent
    battles.units[0, enemy]["patience"] = env.rules.patience
    start = battles.units[0, enemy]["x"]
    for _ in range(2 * env.rules.patience):
        kernel.play_loop(env.rules, battles.units[0], battles.turn[0], battles.random[0], battles.places)
    assert not battles.units[0, enemy]["arrived"]
    assert battles.units[0, enemy]["x"] < start


def test_banelings_burst_and_chain() -> None:
    """An explosion hurts only the other side; a Baneling that it kills explodes in turn."""
    env = Skirmish("6z4b", 1)
    env.reset(np.array([0]))
    units, unit, allies = env._battles.units[0], env.rules.unit, env.info.n_agents
    kinds = {bool(unit["splash"][i] > 0): [] for i in range(len(unit))}
    for i in range(len(unit)):
        kinds[bool(unit["splash"][i] > 0)].append(i)
    mine, theirs = (next(i for i in kinds[True] if (i < allies) == side) for side in (True, False))
    my_ling = next(i for i in kinds[False] if i < allies)
    for i, x in ((mine, 10.0), (theirs, 11.0), (my_ling, 12.5)):
        units[i]["x"], units[i]["y"], units[i]["health"] = x, 20.0, 20.0
    others = [i for i in range(len(unit)) if i not in (mine, theirs, my_ling)]
    units["x"][others], units["y"][others] = 30.0, 2.0
    kernel.explode(env.rules, units, mine, env._battles.places)
    assert units["health"][mine] == 0
    assert units["health"][theirs] == 0, "20 damage against 20 health"
    assert units["health"][my_ling] == 0, "the second burst reaches it, the first would not have hurt its own side"
    assert (units["health"][others] > 0).all()
