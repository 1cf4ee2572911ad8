"""Drop-in replacement of SMAC's environment class: types, numbers, and an episode as PyMARL plays it."""

from __future__ import annotations

import gzip
import inspect
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roma.envs.episode_seeds import EpisodeSeeds
from roma.envs.skirmish.engine import RandomPolicy, Skirmish
from roma.envs.skirmish.options import Choices, EnvOptions
from roma.envs.skirmish.recordings.battle import resimulate
from roma.envs.skirmish.recordings.file import load, verify
from roma.envs.smac import StarCraft2Env
from roma.support.errors import UserError

GOLDEN = Path(__file__).parents[1] / "golden" / "smac"
MAPS = sorted(file.name.removesuffix(".json.gz") for file in GOLDEN.glob("*.json.gz"))
VARIANTS: list[dict[str, Any]] = [
    {},
    {"obs_last_action": True},
    {"obs_pathing_grid": True, "obs_terrain_height": True},
    {"obs_timestep_number": True, "state_timestep_number": True},
    {"obs_all_health": False},
    {"obs_all_health": False, "obs_own_health": False},
    {"obs_instead_of_state": True},
    {"obs_instead_of_state": True, "obs_timestep_number": True},
    {"state_last_action": False},
    {"move_amount": 4},
    {"reward_sparse": True},
    {"reward_only_positive": False, "reward_negative_scale": 0.25, "reward_defeat": -50},
    {"reward_scale": False, "reward_death_value": 20, "reward_win": 100},
    {"reward_scale_rate": 40, "continuing_episode": True},
]


def golden(map_name: str) -> dict[str, Any]:
    return json.loads(gzip.decompress((GOLDEN / f"{map_name}.json.gz").read_bytes()))


def random_actions(env: StarCraft2Env, random: np.random.Generator) -> list[int]:
    return [
        int(random.choice(np.nonzero(env.get_avail_agent_actions(agent_id))[0])) for agent_id in range(env.n_agents)
    ]


def pymarl_episode(env: StarCraft2Env, random: np.random.Generator) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """Play and store an episode like PyMARL's episode runner, with random actions instead of a network's."""
    info = env.get_env_info()
    stored: dict[str, list[Any]] = {"state": [], "avail_actions": [], "obs": [], "reward": [], "terminated": []}
    env.reset()
    terminated, step_info = False, {}
    while not terminated:
        stored["state"].append([env.get_state()])
        stored["avail_actions"].append([env.get_avail_actions()])
        stored["obs"].append([env.get_obs()])
        reward, terminated, step_info = env.step(random_actions(env, random))
        stored["reward"].append([(reward,)])
        stored["terminated"].append([(terminated != step_info.get("episode_limit", False),)])
    assert np.shape(stored["state"])[1:] == (1, info["state_shape"])
    assert np.shape(stored["obs"])[1:] == (1, info["n_agents"], info["obs_shape"])
    assert np.shape(stored["avail_actions"])[1:] == (1, info["n_agents"], info["n_actions"])
    return stored, step_info


@pytest.mark.parametrize("map_name", MAPS)
def test_sizes_and_limits_are_those_smac_reports(map_name: str) -> None:
    header = golden(map_name)["header"]
    env = StarCraft2Env(map_name)
    info = env.get_env_info()
    assert info["obs_shape"] == env.get_obs_size() == header["obs_size"]
    assert info["state_shape"] == env.get_state_size() == header["state_size"]
    assert info["n_actions"] == env.get_total_actions() == header["n_actions"]
    assert info["n_agents"] == env.n_agents == header["n_agents"]
    assert info["episode_limit"] == env.episode_limit == header["episode_limit"]
    assert env.n_enemies == header["n_enemies"]
    agents, enemies, actions = header["n_agents"], header["n_enemies"], header["n_actions"]
    features = agents * len(info["agent_features"]) + enemies * len(info["enemy_features"])
    assert features + agents * actions == header["state_size"]


@pytest.mark.parametrize("map_name", ["2s3z", "MMM2", "27m_vs_30m"])
def test_getters_show_smacs_answers(map_name: str) -> None:
    """Recorded positions are written into the engine's buffers, and the getters must return them."""
    env, shown = StarCraft2Env(map_name), 0
    env.reset()
    battle = env._battle
    data = golden(map_name)
    for snapshot in data["snapshots"]:
        grid = np.array([[cell == "1" for cell in row] for row in data["pathing"][snapshot["grid"]]])
        if snapshot["last_actions"] is None or not np.array_equal(grid, battle.rules.walkable):
            continue
        units = np.array(snapshot["allies"] + snapshot["enemies"], float)
        moment = np.array([snapshot["last_actions"]]), np.array([snapshot["episode_step"]])
        battle.observe_snapshots(units[None], *moment, battle.obs, battle.state, battle.avail_actions)
        np.testing.assert_allclose(env.get_obs(), snapshot["obs"], atol=1e-6)
        np.testing.assert_allclose(env.get_obs_agent(1), snapshot["obs"][1], atol=1e-6)
        np.testing.assert_allclose(env.get_state(), snapshot["state"], atol=1e-6)
        assert env.get_avail_actions() == snapshot["avail_actions"]
        shown += 1
    assert shown > 40


@pytest.mark.parametrize("map_name", ["2s3z", "MMM2", "6z4b"])
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_parts_of_an_observation_are_where_their_sizes_say(map_name: str, variant: dict[str, Any]) -> None:
    """The part of an enemy or ally in an observation is empty if and only if the unit is not seen."""
    env, policy = StarCraft2Env(map_name, seed=1, **variant), np.random.default_rng(2)
    move, own = env.get_obs_move_feats_size(), env.get_obs_own_feats_size()
    (enemies, of_enemy), (comrades, of_comrade) = env.get_obs_enemy_feats_size(), env.get_obs_ally_feats_size()
    assert (enemies, comrades) == (env.n_enemies, env.n_agents - 1)
    assert move + enemies * of_enemy + comrades * of_comrade + own == env.get_obs_size()
    env.reset()
    sights, terminated = set(), False
    while not terminated:
        sees = env.get_visibility_matrix()
        sights.update(sees.ravel().tolist())
        for agent, obs in enumerate(env.get_obs()):
            _, of_enemies, of_comrades, _ = np.split(obs, [move, move + enemies * of_enemy, len(obs) - own])
            seen = [part.reshape(count, -1).any(1) for part, count in ((of_comrades, comrades), (of_enemies, enemies))]
            np.testing.assert_array_equal(np.concatenate(seen), np.delete(sees[agent], agent))
        _, terminated, _ = env.step(random_actions(env, policy))
    assert sights == {False, True}


def test_types_are_smacs() -> None:
    env = StarCraft2Env("2s3z", seed=1)
    observations, state = env.reset()
    assert isinstance(observations, list)
    assert {obs.dtype for obs in observations} == {np.dtype(np.float32)} == {state.dtype}
    available = env.get_avail_actions()
    assert {type(flag) for flags in available for flag in flags} == {int}
    reward, terminated, info = env.step([1] * 5)
    assert (type(reward), type(terminated)) == (float, bool)
    assert info == {"battle_won": False, "dead_allies": 0, "dead_enemies": 0}
    assert {key: type(value) for key, value in info.items()} == {
        "battle_won": bool, "dead_allies": int, "dead_enemies": int
    }  # fmt: skip
    kept = [obs.copy() for obs in observations]
    np.testing.assert_array_equal(observations, kept)  # not a view of what the next step overwrites
    assert "dead_allies" not in info_of_one_step("6z4b")  # as in the authors' fork, whose map it is


def info_of_one_step(map_name: str) -> dict[str, Any]:
    env = StarCraft2Env(map_name)
    env.reset()
    return env.step([1] * env.n_agents)[2]


@pytest.mark.parametrize("map_name", ["2s3z", "MMM2"])
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_battle_is_that_of_the_vector_engine(map_name: str, variant: dict[str, Any]) -> None:
    env = StarCraft2Env(map_name, seed=5, **variant)
    engine = Skirmish(map_name, 1, EnvOptions(**variant))
    policy, seeds = RandomPolicy(3), EpisodeSeeds(5)
    for _ in range(2):
        env.reset()
        engine.reset(np.array([seeds.next()]))
        terminated = False
        while not terminated:
            np.testing.assert_array_equal(env.get_obs(), engine.obs[0])
            np.testing.assert_array_equal(env.get_state(), engine.state[0])
            np.testing.assert_array_equal(env.get_avail_actions(), engine.avail_actions[0])
            actions = policy(engine.avail_actions)
            seeds.note(actions)
            outcome = engine.step(actions)
            reward, terminated, info = env.step(list(actions[0]))
            assert (reward, terminated, info["battle_won"]) == tuple(float(value[0]) for value in outcome[:3])


def test_pymarl_plays_on_it() -> None:
    env, random = StarCraft2Env("3m", seed=7), np.random.default_rng(0)
    won = timeouts = 0
    for _ in range(5):
        stored, info = pymarl_episode(env, random)
        assert [flag for ((flag,),) in stored["terminated"]] == [False] * (len(stored["reward"]) - 1) + [True]
        won += info["battle_won"]
        timeouts += len(stored["reward"]) == env.episode_limit
        if info["battle_won"]:
            assert sum(reward for ((reward,),) in stored["reward"]) == pytest.approx(20)
    assert env.get_stats() == {
        "battles_won": won,
        "battles_game": 5,
        "battles_draw": timeouts,
        "win_rate": won / 5,
        "timeouts": timeouts,
        "restarts": 0,
    }
    env.close()


@pytest.mark.parametrize("continuing", [False, True])
def test_running_out_of_time_is_reported_as_smac_does(continuing: bool) -> None:
    """On 10z5b_vs_2s3z the enemies do not move, so that a team without actions reaches the time limit."""
    env = StarCraft2Env("10z5b_vs_2s3z", seed=0, continuing_episode=continuing)
    assert env.get_stats()["win_rate"] == 0
    env.reset()
    steps, terminated, info = 0, False, {}
    while not terminated:
        _, terminated, info = env.step([1] * env.n_agents)
        steps += 1
    assert steps == env.episode_limit
    assert info == {"battle_won": False, **({"episode_limit": True} if continuing else {})}
    stats = env.get_stats()
    assert (stats["timeouts"], stats["battles_draw"], stats["battles_game"]) == (1, 1, 1)


def test_a_seed_decides_all_battles() -> None:
    def play(seed: int | None) -> list[Any]:
        env, random = StarCraft2Env("3m", seed=seed), np.random.default_rng(0)
        return [pymarl_episode(env, random)[0]["reward"] for _ in range(3)]

    assert play(4) == play(4) != play(5)
    assert play(4)[0] != play(4)[1]
    assert StarCraft2Env("3m", seed=4).seed() == 4
    assert StarCraft2Env("3m").seed() != StarCraft2Env("3m").seed()


def test_arguments_are_smacs_and_all_of_the_engines_act() -> None:
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(StarCraft2Env.__init__).parameters.items()
        if name not in ("self", "choices")  # the engine's own settings
    }
    engine_options = {field.name: field.default for field in fields(EnvOptions)}
    assert {name: defaults[name] for name in engine_options} == engine_options
    passed = {name: not value if isinstance(value, bool) else value + 1 for name, value in engine_options.items()}
    options = StarCraft2Env("3m", **passed)._battle.options
    assert {name: getattr(options, name) for name in passed} == passed
    StarCraft2Env(**defaults | {"map_name": "3m", "window_size_x": 640, "window_size_y": 480, "debug": True})


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("step_mul", 4),
        ("difficulty", "A"),
        ("is_replay", True),
        ("seed", -1),
        ("map_name", "3n"),
    ],
)
def test_what_would_change_results_unnoticed_is_refused(argument: str, value: Any) -> None:
    with pytest.raises(UserError, match=str(value)):
        StarCraft2Env(**{"map_name": "3m"} | {argument: value})


def test_misuse_is_an_error() -> None:
    env = StarCraft2Env("3m")
    for misuse in (lambda: env.step([1, 1, 1]), env.get_obs, env.save_replay):
        with pytest.raises(UserError, match="reset"):
            misuse()
    env.reset()
    with pytest.raises(ValueError, match="action 0 is not available to agent 1"):
        env.step([1, 0, 1])
    with pytest.raises(ValueError, match="takes 3 actions, one for each agent, not 2"):
        env.step([1, 1])


def test_its_replay_is_the_battle(tmp_path: Path) -> None:
    env = StarCraft2Env("3m", seed=2, replay_dir=str(tmp_path / "replays"), replay_prefix="mine", reward_sparse=True)
    stored, info = pymarl_episode(env, np.random.default_rng(1))
    path = env.save_replay()
    assert path.parent == tmp_path / "replays"
    assert path.name == "mine_1.safetensors"
    assert env.save_replay().name == "mine_2.safetensors"
    recording = load(path)
    verify(recording)
    assert resimulate(recording).rewards.tolist() == [reward for ((reward,),) in stored["reward"]]
    assert (recording.result == "won") == info["battle_won"]


def test_heuristic_ai_ignores_the_actions_and_plays_the_scripted_policy(tmp_path: Path) -> None:
    env = StarCraft2Env("2s3z", seed=9, heuristic_ai=True, replay_dir=str(tmp_path))
    engine = Skirmish("2s3z", 1)
    env.reset()
    engine.reset(np.array([EpisodeSeeds(9).next()]))
    terminated = False
    while not terminated:
        outcome = engine.step_scripted()
        reward, terminated, _ = env.step([0] * 5)
        assert (reward, terminated) == (outcome.reward[0], outcome.terminated[0])
        np.testing.assert_array_equal(env.get_state(), engine.state[0])
    recording = load(env.save_replay())
    verify(recording)
    assert recording.scripted


def test_the_engines_own_settings_act() -> None:
    """With a wider formation, units start at other positions."""
    states = [StarCraft2Env("8m", seed=0, choices=choices).reset()[1] for choices in (None, Choices(formation_gap=1))]
    assert not np.array_equal(*states)
