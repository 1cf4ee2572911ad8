"""Rules of rare units: the Colossus's beams and cliff walking, the rooted Spine Crawler, and enemies that hunt."""

from __future__ import annotations

import numpy as np
import pytest

from roma.envs.skirmish import kernel
from roma.envs.skirmish.engine import Skirmish
from roma.scenarios.actions import EAST, FIRST_TARGET, NORTH, SOUTH, STOP, WEST
from roma.scenarios.rows import HEALTH, Y
from tests.envs.field import battle, gap_between, place, play, remove_all_but, units_of

CLIFF = 12  # the row of the cliff on 2c_vs_64zg, between a low field and a plateau
ZEALOTS = range(13, 18)  # the enemies' on 1c3s5z


def beams(targets: list[tuple[float, float]], loops: int, struck: int = 0) -> list[float]:
    """Let the Colossus of 1c3s5z, at (10, 16), attack the first of some Zealots that do nothing.

    `struck` is who falls right after the attack has begun: 0 nobody, 1 the Colossus, 2 the target. Returns the points
    that each Zealot has lost.
    """
    env = battle("1c3s5z")
    zealots = list(ZEALOTS[: len(targets)])
    remove_all_but(env, [0, 1, *zealots])
    place(env, 0, 10, 16)
    place(env, 1, *targets[0])  # a Stalker of the Colossus's own side among them
    units, before = units_of(env), 150.0
    for zealot, (x, y) in zip(zealots, targets, strict=True):
        place(env, zealot, x, y)
        units[zealot]["order"] = kernel.IDLE
    units[0]["order"], units[0]["target"] = kernel.ATTACK, zealots[0]
    play(env, 3)
    assert units[0]["blows_left"] == 2
    if struck:
        units[[None, 0, zealots[0]][struck]]["health"] = 0
    play(env, loops - 3)
    assert units[1]["health"] + units[1]["shield"] == 160
    return [before - float(units[z]["health"] + units[z]["shield"]) for z in zealots]


def test_beams_strike_the_line_across_the_line_of_fire() -> None:
    """Both beams land 0.72 s after the damage point: 2 x 20 for each unit whose edge is within 0.15 of the line."""
    reach = 1.25 + 0.15 + 0.5
    targets = [(16.0, 16.0), (16.0, 16.0 + reach - 0.01), (16.0, 16.0 - reach - 0.01), (16.64, 16.0), (16.66, 15.0)]
    assert beams(targets, 12) == [0] * 5
    assert beams(targets, 15) == [40, 40, 0, 40, 0]


@pytest.mark.parametrize(("struck", "lost"), [(1, [40, 40]), (2, [150, 40])])
def test_beams_go_on_when_the_colossus_or_its_target_falls(struck: int, lost: list[float]) -> None:
    """A dead target keeps the 50 points of its shield, because beams no longer hit it."""
    found = beams([(16.0, 16.0), (16.0, 17.0)], 15, struck)
    assert found == [lost[0] - 50 * (struck == 2), lost[1]]


def test_a_colossus_strikes_whom_it_stands_above() -> None:
    assert beams([(10.0, 16.0), (10.0, 17.5), (11.0, 16.0)], 15) == [40, 40, 0]


def on_the_cliff(unit: int, x: float, y: float, action: int) -> Skirmish:
    """Move a unit of 2c_vs_64zg, alone with a distant enemy, for two timesteps."""
    env = battle("2c_vs_64zg")
    remove_all_but(env, [unit, 0, 65])
    for each in (0, 65):
        place(env, each, 2, 15)
        units_of(env)[each]["order"] = kernel.IDLE
    place(env, unit, x, y)
    units_of(env)[unit]["order"] = kernel.MOVE
    units_of(env)[unit]["order_x"], units_of(env)[unit]["order_y"] = x, y + (2 if action == NORTH else -2)
    play(env, 2 * kernel.LOOPS_PER_STEP)
    return env


@pytest.mark.parametrize(("action", "y"), [(NORTH, CLIFF - 1.0), (SOUTH, CLIFF + 2.0)])
def test_a_colossus_walks_over_cliffs_and_a_zergling_does_not(action: int, y: float) -> None:
    for unit, passes in ((1, True), (2, False)):
        env = on_the_cliff(unit, 16.0, y, action)
        passed = units_of(env)[unit]["y"] > CLIFF + 0.9 if action == NORTH else units_of(env)[unit]["y"] < CLIFF + 0.1
        assert passed == passes


def test_a_colossus_cannot_leave_the_ground_for_the_void() -> None:
    env = on_the_cliff(1, 16.0, 19.5, NORTH)
    assert units_of(env)[1]["y"] < 20


def test_a_colossus_is_offered_moves_by_the_ground_ahead() -> None:
    """SMAC's rule: one map unit ahead must be walkable on foot, however well it climbs."""
    env = battle("2c_vs_64zg")
    for y, south in ((14.1, True), (13.5, False), (12.5, True)):
        place(env, 0, 16, y)
        units_of(env)[0]["order"] = kernel.IDLE
        kernel.pack(units_of(env), env.snapshots[0])
        env.observe_snapshots(env.snapshots, env.last_actions, np.zeros(1, int), env.obs, env.state, env.avail_actions)
        assert env.avail_actions[0, 0, [NORTH, SOUTH, EAST, WEST]].tolist() == [True, south, y > 13, y > 13]


def test_only_its_like_is_in_a_colossuss_way() -> None:
    env = battle("1c3s5z")
    units, stalker, colossus = units_of(env), 1, 9
    assert env.rules.unit["motion"][[0, stalker, colossus]].tolist() == [kernel.CLIMBS, kernel.WALKS, kernel.CLIMBS]
    for other, blocked in ((colossus, True), (stalker, False)):
        remove_all_but(env, [0, other])
        units["health"][[0, other]] = 200
        place(env, 0, 12, 16)
        place(env, other, 14, 16)
        units[other]["order"] = kernel.IDLE
        units[0]["order"], units[0]["order_x"], units[0]["order_y"] = kernel.MOVE, 14, 16
        play(env, 40)
        assert (np.hypot(units[0]["x"] - 14, units[0]["y"] - 16) > 1.4) == blocked


def test_a_spine_crawler_stays_and_reaches_seven_from_edge_to_edge() -> None:
    env = battle("2s_vs_1sc")
    units, crawler = units_of(env), 2
    for gap, struck in ((7.01, False), (6.99, True)):
        remove_all_but(env, [0, crawler])
        place(env, 0, 14, 20 - gap - 0.625 - 0.875)
        play(env, 100)
        assert gap_between(env, 0, crawler) == pytest.approx(gap)
        assert (units[0]["shield"] < 80) == struck
    assert (units[crawler]["x"], units[crawler]["y"]) == (14, 20)


def test_who_leaves_a_spine_crawlers_range_in_time_is_not_struck() -> None:
    """The Spine Crawler does not follow its target: a step back during its wind-up avoids the hit."""
    env = battle("2s_vs_1sc")
    units, crawler = units_of(env), 2
    remove_all_but(env, [0, crawler])
    place(env, 0, 14, 20 - 6.9 - 0.625 - 0.875)
    while units[crawler]["windup"] == 0:
        play(env, 1)
    place(env, 0, 14, 20 - 7.1 - 0.625 - 0.875)
    play(env, 60)
    assert units[0]["shield"] == 80
    assert units[crawler]["windup"] == 0


@pytest.mark.parametrize("moves", [[STOP], [NORTH, WEST, NORTH, EAST]])
def test_nothing_but_attacks_changes_a_spine_crawlers_life(moves: list[int]) -> None:
    """Agents that never attack return exactly 0, as all released untrained networks do; near it they die."""
    env = Skirmish("2s_vs_1sc", 1)
    env.reset(np.array([0]))
    for step in range(env.info.episode_limit):
        wanted = moves[step % len(moves)]
        outcome = env.step(np.where(env.avail_actions[..., wanted], wanted, env.avail_actions.argmax(-1)))
        assert outcome.reward[0] == 0
        if outcome.terminated[0]:
            break
    assert env.snapshots[0, 2, HEALTH] == 300
    assert (env.snapshots[0, :2, HEALTH] == 0).all() == (moves != [STOP])


def test_hunters_come_wherever_the_agents_are() -> None:
    """The Zerglings of 2c_vs_64zg climb both ramps to Colossi that stand still, beyond their notice range."""
    env = battle("2c_vs_64zg")
    enemies = slice(2, None)
    assert env.snapshots[0, enemies, Y].max() < CLIFF
    place(env, 0, 16, 19)
    place(env, 1, 18, 19)
    for _ in range(25):
        env.step(np.array([[STOP, STOP]]))
    assert (env.snapshots[0, enemies, Y] > CLIFF + 1).mean() > 0.9
    assert (env.snapshots[0, :2, HEALTH] < 200).any()
    assert not env.avail_actions[0, :, FIRST_TARGET:].all()
