"""Public names of SMAC's StarCraft2Env (revision d6aab33): existence, kind and value of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from roma.envs.skirmish.options import EnvOptions
from roma.envs.smac import Direction, MultiAgentEnv, StarCraft2Env
from roma.scenarios import load_map, load_units

STALKER, ZEALOT = 2000, 2001  # agents' types on 2s3z; enemies have the game's own numbers, 74 and 73


def dead(env: StarCraft2Env) -> list[int]:
    return [int(unit.health == 0) for unit in [*env.agents.values(), *env.enemies.values()]]


def alive(env: StarCraft2Env) -> int:
    """Return the index of a living agent."""
    return next(agent for agent, unit in env.agents.items() if unit.health > 0)


def moves(env: StarCraft2Env) -> list[int]:
    """Return whether that agent may move north, south, east and west."""
    return env.get_avail_agent_actions(alive(env))[2:6]


def one(env: StarCraft2Env) -> Any:
    return env.agents[alive(env)]


# Method: arguments, and a check of its result on the known state.
METHODS: dict[str, tuple[Callable[[StarCraft2Env], tuple[Any, ...]], Callable[[StarCraft2Env, Any], Any]]] = {
    "can_move": (
        lambda env: (one(env), Direction.EAST),
        lambda env, is_: is_ == env.get_avail_actions()[alive(env)][4],
    ),
    "check_bounds": (lambda env: (31, 32), lambda env, is_: is_ is False),
    "distance": (lambda env: (1, 2, 4, 6), lambda env, is_: is_ == 5),
    "get_agent_action": (lambda env: (alive(env), 1), lambda env, is_: is_.action_raw.unit_command.ability_id == 4),
    "get_agent_action_heuristic": (lambda env: (0, 0), lambda env, is_: is_[1] == 6 + env.heuristic_targets[0]),
    "get_ally_num_attributes": (lambda env: (), lambda env, is_: is_ == 7),
    "get_avail_actions": (lambda env: (), lambda env, is_: np.shape(is_) == (5, 11)),
    "get_avail_agent_actions": (lambda env: (4,), lambda env, is_: is_ == env.get_avail_actions()[4]),
    "get_enemy_num_attributes": (lambda env: (), lambda env, is_: is_ == 6),
    "get_env_info": (lambda env: (), lambda env, is_: is_["state_shape"] == 120 and is_["obs_shape"] == 80),
    "get_obs": (lambda env: (), lambda env, is_: np.shape(is_) == (5, 80)),
    "get_obs_agent": (lambda env: (4,), lambda env, is_: np.array_equal(is_, env.get_obs()[4])),
    "get_obs_ally_feats_size": (lambda env: (), lambda env, is_: is_ == (4, 8)),
    "get_obs_enemy_feats_size": (lambda env: (), lambda env, is_: is_ == (5, 8)),
    "get_obs_move_feats_size": (lambda env: (), lambda env, is_: is_ == 4),
    "get_obs_own_feats_size": (lambda env: (), lambda env, is_: is_ == 4),
    "get_obs_size": (lambda env: (), lambda env, is_: is_ == 80),
    "get_state": (lambda env: (), lambda env, is_: is_.shape == (120,)),
    "get_state_dict": (lambda env: (), lambda env, is_: np.array_equal(is_["last_action"], env.last_action)),
    "get_state_size": (lambda env: (), lambda env, is_: is_ == 120),
    "get_stats": (lambda env: (), lambda env, is_: is_["battles_game"] == 0),
    "get_surrounding_height": (lambda env: (one(env),), lambda env, is_: is_ == [0] * 9),
    "get_surrounding_pathing": (lambda env: (one(env),), lambda env, is_: len(is_) == 8 and any(is_)),
    "get_surrounding_points": (lambda env: (one(env), True), lambda env, is_: is_[0][1] == is_[8][1] + 4),
    "get_total_actions": (lambda env: (), lambda env, is_: is_ == 11),
    "get_unit_by_id": (lambda env: (3,), lambda env, is_: is_ is env.agents[3]),
    "get_unit_type_id": (lambda env: (env.enemies[0], False), lambda env, is_: is_ == 1),  # a stalker, numbered 74
    "get_unit_types": (lambda env: (), lambda env, is_: is_ == [STALKER] * 2 + [ZEALOT] * 3 + [74] * 2 + [73] * 3),
    "get_visibility_matrix": (lambda env: (), lambda env, is_: is_.shape == (5, 10) and is_.any()),
    "init_units": (lambda env: (), lambda env, is_: is_ is None),
    "only_medivac_left": (lambda env: (True,), lambda env, is_: is_ is False),
    "render": (lambda env: ("ansi",), lambda env, is_: f"timestep {env._episode_steps} of 120" in is_),
    "reward_battle": (lambda env: (), lambda env, is_: is_ == pytest.approx(env.reward * 51)),
    "seed": (lambda env: (), lambda env, is_: is_ == 3),
    "unit_max_cooldown": (lambda env: (env.agents[0],), lambda env, is_: is_ == 35),
    "unit_max_shield": (lambda env: (env.enemies[4],), lambda env, is_: is_ == 50),
    "unit_shoot_range": (lambda env: (0,), lambda env, is_: is_ == 6),
    "unit_sight_range": (lambda env: (0,), lambda env, is_: is_ == 9),
    "update_units": (lambda env: (), lambda env, is_: is_ is None),
    # Methods that change the environment come last, in this order.
    "step": (lambda env: ([int(np.argmax(row)) for row in env.get_avail_actions()],), lambda env, is_: len(is_) == 3),
    "save_replay": (lambda env: (), lambda env, is_: is_.exists()),
    "full_restart": (lambda env: (), lambda env, is_: env.get_stats()["restarts"] == 1),
    "reset": (lambda env: (), lambda env, is_: np.shape(is_[0]) == (5, 80) and is_[1].shape == (120,)),
    "close": (lambda env: (), lambda env, is_: is_ is None),
}

# Attribute: its value on the known state.
ATTRIBUTES: dict[str, Callable[[StarCraft2Env], Any]] = {
    "agents": lambda env: {agent: env.get_unit_by_id(agent) for agent in range(5)},
    "ally_state_attr_names": lambda env: ["health", "energy/cooldown", "rel_x", "rel_y", "shield", "type_0", "type_1"],
    "battles_game": lambda env: 0,
    "battles_won": lambda env: 0,
    "death_tracker_ally": lambda env: dead(env)[:5],
    "death_tracker_enemy": lambda env: dead(env)[5:],
    "debug": lambda env: False,
    "defeat_counted": lambda env: False,
    "difficulty": lambda env: "7",
    "enemies": lambda env: dict(enumerate(env.enemies[enemy] for enemy in range(5))),
    "enemy_state_attr_names": lambda env: ["health", "rel_x", "rel_y", "shield", "type_0", "type_1"],
    "episode_limit": lambda env: 120,
    "force_restarts": lambda env: 0,
    "game_version": lambda env: None,
    "heuristic_ai": lambda env: False,
    "heuristic_rest": lambda env: False,
    "heuristic_targets": lambda env: [None] * 5,
    "last_action": lambda env: np.eye(11)[env.taken],
    "last_stats": lambda env: None,
    "map_name": lambda env: "2s3z",
    "map_type": lambda env: "stalkers_and_zealots",
    "map_x": lambda env: 32,
    "map_y": lambda env: 32,
    "max_distance_x": lambda env: 32,
    "max_distance_y": lambda env: 32,
    "max_reward": lambda env: 1020,
    "n_actions": lambda env: 11,
    "n_actions_move": lambda env: 4,
    "n_actions_no_attack": lambda env: 6,
    "n_agents": lambda env: 5,
    "n_enemies": lambda env: 5,
    "n_obs_height": lambda env: 9,
    "n_obs_pathing": lambda env: 8,
    "pathing_grid": lambda env: np.repeat([[8 <= y < 24 for y in range(32)]], 32, 0),
    "previous_ally_units": lambda env: env.before[0],
    "previous_enemy_units": lambda env: env.before[1],
    "renderer": lambda env: None,
    "replay_dir": lambda env: env.folder,
    "replay_prefix": lambda env: "",
    "reward": lambda env: env.paid,
    "shield_bits_ally": lambda env: 1,
    "shield_bits_enemy": lambda env: 1,
    "terrain_height": lambda env: np.zeros((32, 32)),
    "timeouts": lambda env: 0,
    "unit_type_bits": lambda env: 2,
    "win_counted": lambda env: False,
    "window_size": lambda env: (1920, 1200),
    "stalker_id": lambda env: STALKER,
    "zealot_id": lambda env: ZEALOT,
    **dict.fromkeys(("marine_id", "marauder_id", "medivac_id", "hydralisk_id", "colossus_id"), lambda env: 0),
    **dict.fromkeys(("baneling_id", "zergling_id"), lambda env: 0),
}
OPTIONS = [name for name in EnvOptions.__slots__ if name != "move_amount"]  # SMAC hides this one


@pytest.fixture
def known(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return 2s3z in random play, at a moment when the agents have done damage and a unit is dead."""
    folder = str(tmp_path_factory.mktemp("replays"))
    env: Any = StarCraft2Env("2s3z", seed=3, replay_dir=folder)
    random = np.random.default_rng(0)
    env.reset()
    while not (env.reward and sum(dead(env))):
        env.before = env.agents, env.enemies
        env.taken = [int(random.choice(np.flatnonzero(row))) for row in env.get_avail_actions()]
        env.paid = env.step(env.taken)[0]
    env.folder = folder
    return env


def test_the_lists_are_complete() -> None:
    assert len(METHODS) == 44
    assert len(ATTRIBUTES) + len(OPTIONS) == 74
    assert isinstance(StarCraft2Env("3m"), MultiAgentEnv)


def test_methods_have_their_meaning(known: Any) -> None:
    for name, (arguments, right) in METHODS.items():
        method = getattr(known, name)
        assert callable(method), name
        assert right(known, method(*arguments(known))), name


def test_attributes_have_their_values(known: Any) -> None:
    for name, value in ATTRIBUTES.items():
        np.testing.assert_equal(getattr(known, name), value(known), err_msg=name)


def test_options_are_attributes_that_nobody_can_change_unnoticed() -> None:
    given = {name: not value for name in OPTIONS if isinstance(value := getattr(EnvOptions(), name), bool)}
    env = StarCraft2Env("3m", **given | {"reward_win": 7})
    for name in OPTIONS:
        assert getattr(env, name) == (7 if name == "reward_win" else given.get(name, getattr(EnvOptions(), name))), name
    assert StarCraft2Env("3m", obs_own_health=False).obs_own_health  # as in SMAC, because of obs_all_health
    with pytest.raises(AttributeError, match="reward_win cannot be changed to 8"):
        env.reward_win = 8


@pytest.mark.parametrize("map_name", ["2s3z", "MMM2", "6z4b"])
def test_units_are_those_of_the_state(map_name: str) -> None:
    """SMAC's own formulas on the units give the numbers of the state, which golden files guard."""
    env = StarCraft2Env(map_name, seed=1, state_timestep_number=True)
    scenario, types, random = load_map(map_name), load_units(), np.random.default_rng(1)
    env.reset()
    assert env.previous_ally_units is None
    for terminated in [False] * 25:
        assert not terminated
        parts = env.get_state_dict()
        flat = np.concatenate([np.ravel(part) for part in parts.values()])
        np.testing.assert_allclose(env.get_state(), flat, atol=1e-6)
        for ally, side in ((True, env.agents), (False, env.enemies)):
            expected = []
            for unit in side.values():
                place = [(unit.pos.x - 16) / 32, (unit.pos.y - 16) / 32]
                healer = unit.unit_type == env.medivac_id
                ready = [(unit.energy if healer else unit.weapon_cooldown) / env.unit_max_cooldown(unit)] * ally
                shields = env.shield_bits_ally if ally else env.shield_bits_enemy
                shield = [unit.shield / env.unit_max_shield(unit)] if shields else []
                bits = np.eye(env.unit_type_bits)[env.get_unit_type_id(unit, ally)]
                row = np.array([unit.health / unit.health_max, *ready, *place, *shield, *bits])
                expected.append(row * (unit.health > 0))
            np.testing.assert_allclose(parts["allies" if ally else "enemies"], expected, atol=1e-6)
        env.step([int(random.choice(np.flatnonzero(row))) for row in env.get_avail_actions()])
    assert [types[name].health for name in scenario.unit_types] == [
        unit.health_max for unit in [*env.agents.values(), *env.enemies.values()]
    ]
    assert len({unit.tag for unit in [*env.agents.values(), *env.enemies.values()]}) == len(scenario.unit_types)


def test_moves_and_terrain_agree_with_what_is_observed() -> None:
    env, random = StarCraft2Env("MMM2", seed=1, obs_pathing_grid=True), np.random.default_rng(2)
    env.reset()
    for _ in range(20):
        for agent, (unit, obs) in enumerate(zip(env.agents.values(), env.get_obs(), strict=True)):
            if unit.health > 0:
                moves = [env.can_move(unit, direction) for direction in Direction]
                assert moves == [bool(flag) for flag in env.get_avail_agent_actions(agent)[2:6]]
                assert obs[4:12].tolist() == env.get_surrounding_pathing(unit)
        env.step([int(random.choice(np.flatnonzero(row))) for row in env.get_avail_actions()])


def test_commands_say_what_actions_do() -> None:
    env = StarCraft2Env("MMM2", seed=1)
    env.reset()
    medivac = next(agent for agent, unit in env.agents.items() if unit.unit_type == env.medivac_id)
    heal = env.get_agent_action(medivac, 6).action_raw.unit_command
    assert (heal.ability_id, heal.target_unit_tag, heal.unit_tags) == (
        386,
        env.agents[0].tag,
        [env.agents[medivac].tag],
    )
    east = env.get_agent_action(0, 4).action_raw.unit_command
    assert (east.ability_id, east.target_world_space_pos.x) == (16, env.agents[0].pos.x + 2)
    with pytest.raises(ValueError, match="action 0 is not available to agent 2"):
        env.get_agent_action(2, 0)
    assert env.get_agent_action_heuristic(medivac, 0) == (None, 0)  # no unit is hurt


def test_only_medivac_left_is_smacs_end_of_a_battle_on_mmm() -> None:
    env = StarCraft2Env("MMM2", seed=1)
    env.reset()
    health = env._battle.snapshots[0, :, 2]
    for side, units in ((True, env.agents), (False, env.enemies)):
        assert not env.only_medivac_left(side)
        offset = 0 if side else env.n_agents
        for slot, unit in units.items():
            health[offset + slot] *= unit.unit_type in (env.medivac_id, 54)
    env._units = None
    assert env.only_medivac_left(ally=True)
    assert env.only_medivac_left(ally=False)
