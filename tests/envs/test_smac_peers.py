"""SMAC's class as used by other projects: parallel runners, subclasses, wrappers, unusual actions, replays, logs."""

from __future__ import annotations

import copy
import logging
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from roma.envs.skirmish import compilation
from roma.envs.skirmish.kernel.compiler import KERNEL
from roma.envs.skirmish.recordings.file import load
from roma.envs.smac import StarCraft2Env, get_map_params, smac_maps
from roma.scenarios import canonical_map
from roma.support.errors import UserError
from roma.support.system.locks import exclusive

WORKERS = 8


def episode(env: StarCraft2Env, random: np.random.Generator) -> list[float]:
    """Return the rewards of an episode of random play."""
    env.reset()
    rewards, terminated = [], False
    while not terminated:
        actions = [int(random.choice(np.flatnonzero(row))) for row in env.get_avail_actions()]
        reward, terminated, _ = env.step(actions)
        rewards.append(reward)
    return rewards


def begin(map_name: str = "3m", **arguments: Any) -> StarCraft2Env:
    env = StarCraft2Env(map_name, seed=1, **arguments)
    env.reset()
    return env


def rounds_of_workers() -> list[list[int]]:
    """Return the seeds of the battles of parallel workers with one seed, started as in PyMARL, by round."""
    envs = [StarCraft2Env("3m", seed=5) for _ in range(WORKERS)]
    policies = [np.random.default_rng(rank) for rank in range(WORKERS)]
    seeds = []
    for _ in range(4):
        for env, policy in zip(envs, policies, strict=True):
            episode(env, policy)
        seeds.append([env._battle.seed for env in envs])
    return seeds


def test_workers_with_one_seed_part_after_their_first_episode_and_repeat_as_a_whole() -> None:
    seeds = rounds_of_workers()
    assert len(set(seeds[0])) == 1
    assert len({seed for later in seeds[1:] for seed in later}) == 3 * WORKERS
    assert rounds_of_workers() == seeds


def test_workers_with_one_seed_that_play_alike_stay_alike() -> None:
    """The battle seed follows from the actions, not from random numbers, so that a repetition is identical."""
    plays = [(StarCraft2Env("3m", seed=5), np.random.default_rng(0)) for _ in range(2)]
    first, second = ([episode(env, random) for _ in range(3)] for env, random in plays)
    assert first == second
    assert first[0] != first[1]


def test_an_episode_that_was_broken_off_counts_as_play() -> None:
    """Equal actions that are divided differently into episodes lead to different battles."""
    seeds = []
    for lengths in ((2, 1), (1, 2)):
        env = StarCraft2Env("3m", seed=5)
        for length in lengths:
            env.reset()
            for _ in range(length):
                env.step([1, 1, 1])
        env.reset()
        seeds.append(env._battle.seed)
    assert seeds[0] != seeds[1]


def test_seed_with_an_argument_and_full_restart_begin_the_sequence_anew() -> None:
    env, other = StarCraft2Env("3m", seed=7), StarCraft2Env("3m", seed=8)
    first = [episode(env, np.random.default_rng(0)) for _ in range(2)]
    env.full_restart()
    assert [episode(env, np.random.default_rng(0)) for _ in range(2)] == first
    assert other.seed(7) == other.seed() == 7
    assert episode(other, np.random.default_rng(0)) == first[0]
    env._seed = 9  # as SMAC's wrapper for PettingZoo seeds it
    env.full_restart()
    assert env.seed() == 9
    assert env.get_stats()["restarts"] == 2
    with pytest.raises(UserError, match=r"whole number from 0, not 1\.5"):
        env.seed(1.5)


class Peer(StarCraft2Env):
    """Subclass as in research code: it overrides parts of the class and relies on the rest."""

    def get_obs_agent(self, agent_id: int) -> Any:
        return np.append(super().get_obs_agent(agent_id), agent_id).astype(np.float32)

    def get_obs_own_feats_size(self) -> int:
        return super().get_obs_own_feats_size() + 1

    def get_avail_agent_actions(self, agent_id: int) -> list[int]:
        return [*super().get_avail_agent_actions(agent_id)[:2], *[0] * (self.n_actions - 2)]

    def get_state_dict(self) -> dict[str, Any]:
        return super().get_state_dict() | {"mine": np.arange(3)}

    def reward_battle(self) -> float:
        return super().reward_battle() + 1

    def get_total_actions(self) -> int:
        return 4


def test_parts_make_the_whole() -> None:
    env = Peer("3m", seed=1)
    obs, state = env.reset()
    size = StarCraft2Env("3m").get_obs_size() + 1
    assert [len(each) for each in obs] == [len(each) for each in env.get_obs()] == [size] * 3
    assert [each[-1] for each in obs] == [0, 1, 2]
    assert env.get_avail_actions() == [[0, 1, *[0] * 7]] * 3
    assert state[-3:].tolist() == env.get_state()[-3:].tolist() == [0, 1, 2]
    info = env.get_env_info()
    assert (info["obs_shape"], info["n_actions"]) == (size, 4)
    instead = Peer("3m", seed=1, obs_instead_of_state=True)
    instead.reset()
    assert len(instead.get_state()) == instead.get_state_size() == 3 * size


@pytest.mark.parametrize(
    "options",
    [{}, {"reward_sparse": True}, {"reward_only_positive": False, "reward_defeat": -9}, {"reward_scale": False}],
    ids=str,
)
def test_a_reward_of_parts_is_the_engines(options: dict[str, Any]) -> None:
    class Same(StarCraft2Env):
        def reward_battle(self) -> float:
            return super().reward_battle()

    for seed in range(3):
        rewards = [
            episode(kind("3m", seed=seed, **options), np.random.default_rng(seed)) for kind in (Same, StarCraft2Env)
        ]
        np.testing.assert_allclose(*rewards, rtol=1e-9, atol=1e-9)
    dearer = [kind("3m", seed=1, reward_scale=False) for kind in (Peer, StarCraft2Env)]
    for env in dearer:
        env.reset()
    assert dearer[0].step([1, 1, 1])[0] == dearer[1].step([1, 1, 1])[0] + 1


def test_a_wrapper_may_replace_a_method_of_the_object() -> None:
    env = begin()
    env.get_obs_agent = lambda agent_id: np.full(2, agent_id)  # type: ignore[method-assign]
    assert np.array_equal(env.get_obs(), [[0, 0], [1, 1], [2, 2]])


@pytest.mark.parametrize(
    "actions",
    [
        (1, 1, 1),
        np.array([[1], [1], [1]]),
        [[1], [1], [1]],
        [np.array([1]), np.int32(1), 1.0],
        torch.tensor([1, 1, 1]),
        torch.tensor([[1], [1], [1]]),
        [torch.tensor(1), torch.tensor([1]), np.float32(1)],
        np.array([1.0, 1.0, 1.0]),
    ],
    ids=repr,
)
def test_actions_come_in_many_shapes(actions: Any) -> None:
    env, plain = begin(), begin()
    assert env.step(actions) == plain.step([1, 1, 1])
    np.testing.assert_array_equal(env.get_state(), plain.get_state())


@pytest.mark.parametrize(
    "wrong", [True, np.True_, "stop", "1", None, 1.5, float("nan"), np.array([1, 1]), torch.ones(2)]
)
def test_what_is_no_action_is_one_clear_line(wrong: Any) -> None:
    env = begin()
    with pytest.raises(ValueError, match=f"the action of agent 1 is {re.escape(repr(wrong))}, not a whole number"):
        env.step([1, wrong, 1])
    env.step([1, 1, 1])


def test_the_scripted_policy_tells_its_actions_as_smac_does() -> None:
    env = begin("2s3z", heuristic_ai=True, heuristic_rest=False)
    actions = [1] * 5
    env.step(actions)
    assert actions == [6 + env.heuristic_targets[agent] for agent in range(5)]
    env.step((1,) * 5)  # a tuple, which the environment cannot write to


def test_game_version_is_accepted_with_one_line_and_heuristic_rest_where_smac_ignores_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    env = StarCraft2Env("3m", game_version="4.6.2.69232", heuristic_rest=True)
    assert (env.game_version, env.heuristic_rest) == ("4.6.2.69232", True)
    (line,) = caplog.messages
    assert line.startswith("game_version = '4.6.2.69232' has no effect")
    with pytest.raises(UserError, match="heuristic_rest = True"):
        StarCraft2Env("3m", heuristic_ai=True, heuristic_rest=True)


# Arguments that PyMARL's configuration passes, from which the others were copied.
PYMARL_ARGUMENTS: dict[str, Any] = {
    "continuing_episode": False,
    "difficulty": "7",
    "game_version": None,
    "map_name": "3m",
    "move_amount": 2,
    "obs_all_health": True,
    "obs_instead_of_state": False,
    "obs_last_action": False,
    "obs_own_health": True,
    "obs_pathing_grid": False,
    "obs_terrain_height": False,
    "obs_timestep_number": False,
    "reward_death_value": 10,
    "reward_defeat": 0,
    "reward_negative_scale": 0.5,
    "reward_only_positive": True,
    "reward_scale": True,
    "reward_scale_rate": 20,
    "reward_sparse": False,
    "reward_win": 200,
    "replay_dir": "",
    "replay_prefix": "",
    "state_last_action": True,
    "state_timestep_number": False,
    "step_mul": 8,
    "seed": 1,
    "heuristic_ai": False,
    "debug": False,
}


@pytest.mark.parametrize(
    "further",
    [{}, {"heuristic_rest": False}, {"is_replay": False}, {"game_version": "latest"}],
    ids=["PyMARL", "pymarl2", "ROMA's authors", "MARL-Algorithms"],
)
def test_the_arguments_of_their_configurations_are_taken(further: dict[str, Any]) -> None:
    env, plain = StarCraft2Env(**PYMARL_ARGUMENTS | further), StarCraft2Env("3m", seed=1)
    assert episode(env, np.random.default_rng(0)) == episode(plain, np.random.default_rng(0))
    assert env.get_env_info() == plain.get_env_info()


def test_replays_are_numbered_and_are_where_the_log_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO, "roma.envs.smac")
    env = begin()
    for timesteps in range(3):
        path = env.save_replay()
        assert path == tmp_path / "replays" / f"3m_{timesteps + 1}.safetensors"
        assert caplog.messages[-1] == f"Replay saved at: {path}"
        assert load(path).length == timesteps
        env.step([1, 1, 1])


def test_render_has_smacs_modes(capsys: pytest.CaptureFixture[str]) -> None:
    env = StarCraft2Env("3m", seed=1)
    with pytest.raises(UserError, match="reset"):
        env.render("ansi")
    env.reset()
    pixels = env.render(mode="rgb_array")
    assert isinstance(pixels, np.ndarray)
    assert (pixels.ndim, pixels.dtype) == (3, np.uint8)
    text = env.render("ansi")
    assert isinstance(text, str)
    assert len(text.splitlines()) == 3 + 16
    assert text.startswith("3m, timestep 0 of 60: goes on\nagents: 3 of 3, 135 points\n")
    assert 0 < text.count("M") <= 3  # units that stand in one cell are one letter
    assert env.render() is None
    assert capsys.readouterr().out == text + "\n"
    with pytest.raises(UserError, match="'windows' is not a known render mode"):
        env.render("windows")


def test_a_map_has_smacs_parameters() -> None:
    assert get_map_params("MMM2") == {
        "n_agents": 10,
        "n_enemies": 12,
        "limit": 180,
        "a_race": "T",
        "b_race": "T",
        "unit_type_bits": 3,
        "map_type": "MMM",
    }
    assert get_map_params("so_many_baneling")["map_type"] == "zealots"
    assert get_map_params("6s4z_vs_10b30z")["map_type"] == "stalkers_and_zealots_vs_zb"
    for name, parameters in smac_maps.get_smac_map_registry().items():
        env = StarCraft2Env(name)
        assert parameters == smac_maps.get_map_params(name)
        assert (env.n_agents, env.n_enemies, env.episode_limit) == tuple(parameters.values())[:3]
        assert (env.unit_type_bits, env.map_type) == tuple(parameters.values())[5:]
        shields = parameters["a_race"] == "P", parameters["b_race"] == "P"
        assert (env.shield_bits_ally, env.shield_bits_enemy) == shields
        assert canonical_map(name) == env._scenario.name
    with pytest.raises(UserError, match="did you mean '3m'"):
        get_map_params("3n")


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_goes_on_where_the_original_was(copied: Any) -> None:
    env = begin("2s3z")
    env.step([1] * 5)
    other = copied(env)
    for _ in range(3):
        assert env.step([1] * 5) == other.step([1] * 5)
    env.reset()
    other.reset()
    np.testing.assert_array_equal(env.get_state(), other.get_state())


def test_numba_is_silent_under_a_debugging_root_logger() -> None:
    program = (
        "import logging; logging.basicConfig(level=logging.DEBUG)\n"
        "from roma.envs.smac import StarCraft2Env\n"
        "logging.getLogger('numba.core.ssa').debug('noise')\n"
        "StarCraft2Env('3m').reset()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "numba" not in done.stderr


def test_workers_that_start_at_once_compile_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker finds the lock taken, waits, and then finds the machine code of the first worker."""
    program = (
        "import logging; logging.basicConfig(level=logging.INFO)\n"
        "from roma.envs.skirmish import compilation\n"
        "compilation.compile_engine = lambda: print('compiled')\n"
        "compilation.compile_once()"
    )
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    start = [sys.executable, "-c", program]
    find = "from roma.envs.skirmish.kernel.compiler import KERNEL; print(KERNEL.folder)"
    found = subprocess.run([sys.executable, "-c", find], capture_output=True, text=True, check=True)
    folder = Path(found.stdout.strip())
    assert folder.parent == tmp_path
    with exclusive(folder / compilation.COMPILING):
        worker = subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert worker.stderr is not None
        assert "another process that compiles the engine" in worker.stderr.readline()
        (folder / compilation.COMPILED).touch()
    assert worker.communicate()[0] == ""
    (folder / compilation.COMPILED).unlink()
    assert subprocess.run(start, capture_output=True, text=True, check=True).stdout == "compiled\n"
    assert subprocess.run(start, capture_output=True, text=True, check=True).stdout == ""


def test_making_an_environment_leaves_the_mark_that_the_engine_is_compiled() -> None:
    begin()
    assert KERNEL.folder is not None
    assert (KERNEL.folder / compilation.COMPILED).exists()
