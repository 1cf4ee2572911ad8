"""Rules of combat: targets, attacks, healing, and the accounting of damage and reward."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roma.envs.skirmish import kernel
from roma.envs.skirmish.engine import RandomPolicy, Skirmish
from roma.envs.skirmish.options import DEFAULT_CHOICES
from roma.scenarios import map_names
from roma.scenarios.actions import FIRST_TARGET
from roma.scenarios.rows import HEALTH
from tests.envs.field import battle, gap_between, place, play, remove_all_but, units_of


def test_a_shooter_stops_at_its_range() -> None:
    env = battle("2s3z")
    stalker = next(i for i in range(5, 10) if env.rules.unit[i]["range"] == 6)
    remove_all_but(env, [0, stalker])
    units_of(env)[0]["health"] = 1e6
    units_of(env)[stalker]["target"] = 0
    play(env, 120)
    assert 6 - env.rules.unit[stalker]["speed"] <= gap_between(env, stalker, 0) <= 6 + 1e-6
    assert units_of(env)[0]["shield"] < env.rules.unit[0]["shield_max"]


@pytest.mark.parametrize(("map_name", "n_zealots"), [("2s3z", 3), ("3s5z", 5)])
def test_melee_units_surround_their_target(map_name: str, n_zealots: int) -> None:
    """The first units block those behind them, which find a way around to a free place."""
    for seed in range(8):
        env = battle(map_name)
        n_agents = env.info.n_agents
        zealots = [i for i in range(n_agents, 2 * n_agents) if env.rules.unit[i]["range"] < 1]
        assert len(zealots) == n_zealots
        remove_all_but(env, [0, *zealots])
        place(env, 0, *np.random.default_rng(seed).uniform(13, 19, 2))
        units_of(env)[0]["health"] = 1e6
        play(env, 320)
        striking = [z for z in zealots if gap_between(env, z, 0) <= env.rules.unit[z]["range"] + 1e-6]
        assert striking == zealots, f"seed {seed}"


def test_enemies_prefer_units_that_attack() -> None:
    """Two agents are in acquire range: the nearer one passes by, the farther one has an attack order."""
    for prefers, expected in ((True, 1), (False, 0)):
        env = battle("3m", replace(DEFAULT_CHOICES, prefer_attackers=prefers))
        remove_all_but(env, [0, 1, 3])
        place(env, 3, 20, 16)
        place(env, 0, 15, 16)
        place(env, 1, 14.5, 17)
        units_of(env)[1]["order"], units_of(env)[1]["target"] = kernel.ATTACK, 3
        assert kernel.acquire(env.rules, units_of(env), 3) == -1, "it looks around only now and then"
        units_of(env)[3]["look"] = 0
        assert kernel.acquire(env.rules, units_of(env), 3) == expected


def test_a_target_in_range_is_kept() -> None:
    env = battle("3m")
    remove_all_but(env, [0, 1, 3])
    place(env, 3, 20, 16)
    place(env, 0, 16, 16)
    place(env, 1, 18, 16)
    units_of(env)[3]["target"] = 0
    assert kernel.acquire(env.rules, units_of(env), 3) == 0


def test_the_backswing_holds_back_a_chaser() -> None:
    """A Marine that has just struck follows a target that steps out of range only after its 0.75 s."""
    moved = {}
    for fraction in (0.0, 1.0):
        env = battle("3m", replace(DEFAULT_CHOICES, backswing=fraction))
        remove_all_but(env, [0, 3])
        place(env, 0, 15, 16)
        place(env, 3, 20, 16)
        while units_of(env)[0]["health"] == 45:
            play(env, 1)
        stood = units_of(env)[3]["x"]
        place(env, 0, stood - 6.4, 16)
        play(env, 10)
        moved[fraction] = stood - units_of(env)[3]["x"]
    assert moved[1.0] == 0
    assert moved[0.0] > 0.5


def test_a_guard_pursues_whoever_hurt_it_and_returns() -> None:
    """Enemies without orders stand still until they are hurt, and return when no opponent is left."""
    env = battle("10z5b_vs_2s3z")
    agents = env.info.n_agents
    guard, attacker = agents, 0
    remove_all_but(env, [attacker, guard])
    home = units_of(env)[guard]["x"], units_of(env)[guard]["y"]
    play(env, 40)
    assert (units_of(env)[guard]["x"], units_of(env)[guard]["y"]) == home
    start = gap_between(env, guard, attacker)
    kernel.hurt(env.rules, units_of(env), attacker, guard, env._battles.places)
    play(env, 40)
    assert units_of(env)[guard]["target"] == attacker
    assert gap_between(env, guard, attacker) < start
    units_of(env)[attacker]["health"] = 0
    play(env, 200)
    assert np.hypot(units_of(env)[guard]["x"] - home[0], units_of(env)[guard]["y"] - home[1]) < 0.1


def test_the_goal_on_2m_vs_1z_is_drawn_anew_in_each_episode() -> None:
    """The Zealot is sent to a point drawn uniformly between the places of the two Marines."""
    env = Skirmish("2m_vs_1z", 2000)
    env.reset(np.arange(2000))
    zealots = env._battles.units[:, 2]
    first = zealots["order_x"].copy()
    assert (zealots["order_y"] == 12).all()
    np.testing.assert_allclose(np.quantile(first, [0, 0.25, 0.5, 0.75, 1]), [13, 14.5, 16, 17.5, 19], atol=0.3)
    assert ((first >= 13) & (first <= 19)).all()
    env.reset(np.arange(2000, 4000))
    assert (zealots["order_x"] != first).all()
    env.reset(np.arange(2000))
    np.testing.assert_array_equal(zealots["order_x"], first)


@pytest.mark.parametrize(
    ("map_name", "attacker_health", "pending"),
    [
        ("2s3z", 100, "blows_left"),  # a Zealot between its two hits
        ("6z4b", 35, "windup"),  # a Zergling that has begun to bite
    ],
)
def test_the_dead_strike_no_more(map_name: str, attacker_health: float, pending: str) -> None:
    """A dead unit does not complete an attack that it began; a launched missile still hits."""
    env = battle(map_name)
    agents, unit = env.info.n_agents, env.rules.unit
    attacker = next(i for i in range(agents, len(unit)) if unit[i]["health_max"] == attacker_health)
    victim = 0
    remove_all_but(env, [victim, attacker])
    place(env, victim, 15, 16)
    place(env, attacker, 16, 16)
    units_of(env)[victim]["health"] = 1e6
    while units_of(env)[attacker][pending] == 0:
        play(env, 1)
    units_of(env)[attacker]["health"] = 0
    before = units_of(env)[[victim, attacker]][["x", "y", "health", "shield"]].copy()
    play(env, 100)
    after = units_of(env)[[victim, attacker]][["x", "y", "health"]]
    np.testing.assert_array_equal(after, before[["x", "y", "health"]])


def test_a_dead_medivac_heals_nobody() -> None:
    env = battle("MMM2")
    agents, unit = env.info.n_agents, env.rules.unit
    healer = agents + int(np.flatnonzero(unit["heals"][agents:])[0])
    patient = next(i for i in range(agents, len(unit)) if unit[i]["healable"])
    remove_all_but(env, [patient])
    units_of(env)[patient]["health"] = 10
    play(env, 30)
    assert units_of(env)[patient]["health"] == 10
    assert units_of(env)[healer]["energy"] == unit[healer]["energy_start"]


def test_only_the_enemys_medivac_heals_by_itself() -> None:
    env = battle("MMM2")
    agents, unit = env.info.n_agents, env.rules.unit
    healers = np.flatnonzero(unit["heals"])
    hurt = [next(i for i in side if unit[i]["healable"]) for side in (range(agents), range(agents, len(unit)))]
    remove_all_but(env, [*healers.tolist(), *hurt])
    units_of(env)["health"][hurt] = 10
    play(env, 30)
    assert units_of(env)["health"][hurt[0]] == 10
    assert units_of(env)["health"][hurt[1]] > 10
    spent = unit["energy_start"] + 30 * unit["energy_regeneration"] - units_of(env)["energy"]
    enemy_healer = healers[healers >= agents][0]
    healed = units_of(env)["health"][hurt[1]] - 10
    assert spent[enemy_healer] == pytest.approx(healed * unit[enemy_healer]["heal_cost"])


def test_marines_lose_health_by_whole_blows_and_rewards_pay_for_each() -> None:
    """All damage is accounted for: 6 per hit, less for the last one, and the reward is its sum."""
    n_battles = 64
    env, policy = Skirmish("5m_vs_6m", n_battles), RandomPolicy(1)
    env.reset(np.arange(n_battles))
    active, total = np.ones(n_battles, bool), np.zeros(n_battles)
    while active.any():
        total += env.step(policy(env.avail_actions), active).reward
        active &= env._end == kernel.GOES_ON
        health = env.snapshots[:, :, HEALTH]
        assert (np.isclose((45 - health) % 6, 0) | (health == 0)).all()
    enemies = env.snapshots[:, env.info.n_agents :, HEALTH]
    points = (45 - enemies).sum(1) + 10 * (enemies == 0).sum(1)
    assert (enemies > 0).any(1).all(), "none of these battles is won"
    np.testing.assert_allclose(total, points / (6 * 45 + 6 * 10 + 200) * 20, atol=1e-9)


@pytest.mark.parametrize("map_name", ["8m", "2s3z", "MMM"])
def test_a_clean_win_returns_twenty_on_every_kind_of_map(map_name: str) -> None:
    """A won battle in which every enemy died and none regained anything is paid 20, whatever else happened.

    The enemies strike at half their strength, so that such battles are common. Their Medivac is left without energy:
    with it, it heals somebody in every battle.
    """
    n_battles = 128
    env = Skirmish(map_name, n_battles)
    unit, enemies = env.rules.unit.copy(), slice(env.info.n_agents, None)
    unit["damage"][enemies] /= 2
    unit["energy_start"][enemies] = unit["energy_regeneration"][enemies] = 0
    env.rules = env.rules._replace(unit=unit)
    env.reset(np.arange(n_battles))
    active, total = np.ones(n_battles, bool), np.zeros(n_battles)
    won, regained = np.zeros(n_battles, bool), np.zeros(n_battles, bool)
    while active.any():
        before = env.snapshots[:, enemies, HEALTH].copy()
        outcome = env.step_scripted(active)
        total += outcome.reward
        won |= outcome.battle_won
        active &= ~outcome.terminated
        units = env._battles.units[:, enemies]
        recharging = (units["unharmed"] >= unit["shield_delay"][enemies]) & (
            units["shield"] < unit["shield_max"][enemies]
        )
        regained |= (recharging & (units["health"] > 0)).any(1) | (units["health"] > before).any(1)
    all_dead = (env.snapshots[:, enemies, HEALTH] == 0).all(1)
    clean = won & ~regained & all_dead
    assert clean.any()
    np.testing.assert_allclose(total[clean], 20, atol=1e-5)


def mirrored(map_name: str, n_battles: int) -> Skirmish:
    """Return battles in which the agents' units mirror the enemies and behave like them."""
    env = Skirmish(map_name, n_battles)
    agents, unit = env.info.n_agents, env.rules.unit.copy()
    mine, theirs = unit[:agents, None], unit[None, agents:]
    away = abs(32 - theirs["spawn_x"] - mine["spawn_x"]) + abs(theirs["spawn_y"] - mine["spawn_y"])
    opposite = (away + 100 * (theirs["kind"] != mine["kind"])).argmin(1)
    assert len(set(opposite)) == agents
    unit[agents:] = unit[agents + opposite]
    unit["goal_x"][:agents], unit["goal_y"][:agents] = 32 - unit["goal_x"][agents:], unit["goal_y"][agents:]
    env.rules = env.rules._replace(unit=unit)
    env.reset(np.arange(n_battles))
    units = env._battles.units
    units["order"][:, :agents] = kernel.ATTACK_MOVE
    units["look"][:, :agents] = units["look"][:, agents:]
    units["side"][:, :agents] = -units["side"][:, agents:]
    return env


@pytest.mark.parametrize("map_name", ["8m", "2s3z", "3s5z"])
def test_mirrored_armies_win_about_equally_often(map_name: str) -> None:
    """Both sides under the enemies' behaviour, within four standard errors. (Rounding makes a small difference between
    the two halves of the map: over 2 000 battles 0.51 to 0.53 were won.)"""
    n_battles, wins = 400, 0.0
    env = mirrored(map_name, n_battles)
    battles, agents = env._battles, env.info.n_agents
    for b in range(n_battles):
        for _ in range(env.info.episode_limit * kernel.LOOPS_PER_STEP):
            kernel.play_loop(env.rules, battles.units[b], battles.turn[b], battles.random[b], battles.places)
            standing = battles.units[b]["health"] > 0
            if not standing[:agents].any() or not standing[agents:].any():
                break
        wins += 0.5 if standing[:agents].any() == standing[agents:].any() else standing[:agents].any()
    assert abs(wins / n_battles - 0.5) < 0.1


@pytest.mark.parametrize("map_name", map_names())
def test_random_play_ends_well(map_name: str, random_episodes: int) -> None:
    """Random episodes end within the limit, and all values are finite. `pytest --random-episodes 10000`."""
    n_battles = min(random_episodes, 250)
    env, policy = Skirmish(map_name, n_battles), RandomPolicy(11)
    for first in range(0, random_episodes, n_battles):
        env.reset(first + np.arange(n_battles))
        active, steps = np.ones(n_battles, bool), 0
        while active.any():
            outcome = env.step(policy(env.avail_actions), active)
            active &= ~outcome.terminated
            steps += 1
            assert np.isfinite(outcome.reward).all()
            assert np.isfinite(env.snapshots).all()
            assert env.avail_actions.any(-1).all()
        assert steps <= env.info.episode_limit
        assert np.isfinite(env.obs).all()
        assert np.isfinite(env.state).all()


def test_the_scripted_policy_takes_the_nearest_and_keeps_it() -> None:
    """SMAC's heuristic_ai: at any distance; Marauders ignore Medivacs; healers take the nearest hurt ally."""
    env = battle("MMM2")
    units, unit, agents = units_of(env), env.rules.unit, env.info.n_agents
    hurt = next(i for i in range(agents) if unit[i]["healable"])
    units[hurt]["health"] -= 5
    env.step_scripted()
    medivac = agents + int(np.flatnonzero(unit["heals"][agents:])[0])
    for i in range(agents):
        target = int(units[i]["target"])
        if unit[i]["heals"]:
            assert (units[i]["order"], target) == (kernel.HEAL, hurt)
        else:
            assert units[i]["order"] == kernel.ATTACK
            assert target >= agents
            assert unit[i]["reaches_air"] or target != medivac
            assert env.last_actions[0, i] == FIRST_TARGET + target - agents
    kept = units["target"][:agents].copy()
    place(env, int(kept[0]), 31, 9)
    env.step_scripted()
    assert units[0]["target"] == kept[0], "a living target is kept, however far away"
