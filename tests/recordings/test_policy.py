"""`roma.load`: policies of runs decide in SMAC's class and PettingZoo's as they do in evaluations."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

import roma
from roma.envs.pettingzoo import parallel_env
from roma.envs.skirmish.recordings.battle import GOES_ON, WON, Battle
from roma.envs.smac import StarCraft2Env
from roma.recordings import evaluate
from roma.recordings import policy as policies
from roma.runs.config import resolve
from roma.runs.training import train
from roma.support.errors import UserError
from roma.support.seeding import Stream, episode_seed

SETTINGS = {"parallel_envs": 2, "batch_size": 4, "test_episodes": 2, "parallel_test_envs": 2, "hidden_dim": 8}
ARMS = ("roma", "maven", "coma", "qmix_nps")  # sampled roles, latents, a policy of its own, networks of their own
ON_POLICY = {"batch_size": 2, "buffer_size": 2}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run directories, by arm, with policies at 0 and 300 environment steps."""
    folder = tmp_path_factory.mktemp("finished")
    for arm in ARMS:
        settings = SETTINGS | (ON_POLICY if arm == "coma" else {})
        (folder / arm).mkdir()
        train(resolve("2s3z", arm, 1, overrides=settings), folder / arm, 300, (0,))
    return folder


def as_in_evaluations(battle, policy, number):
    """Won, return and actions of an evaluation's episode, played by a policy on the engine."""
    battle.begin(episode_seed(policy.config.seed, Stream.EVALUATE, number))
    policy.reset(battle.state[0], number)
    taken, rewards = [], []
    while battle.result == GOES_ON:
        taken.append(policy.act(battle.obs[0], battle.avail_actions[0]))
        rewards.append(np.float32(battle.play(taken[-1])))
    return battle.result == WON, float(np.sum(rewards, dtype=np.float64)), np.array(taken)


@pytest.mark.parametrize("arm", ARMS)
def test_a_policy_decides_as_in_the_evaluation_of_its_run(finished, arm):
    policy, battle = roma.load(finished / arm), Battle("2s3z")
    played, _ = evaluate.play_policy(finished / arm / "policies" / "t300.safetensors", Stream.EVALUATE, 3)
    for number in (1, 0, 2):
        episode = played[number]
        won, episode_return, actions = as_in_evaluations(battle, policy, number)
        assert np.array_equal(actions, episode.actions)
        assert (won, episode_return) == (episode.won, episode.episode_return)


def example(root):
    """The example of the README that loads a policy, as Python."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    (block,) = (block for block in re.findall(r"(?:^ {4}.*\n|^\n)+", readme, re.MULTILINE) if "roma.load(" in block)
    return "\n".join(line[4:] for line in block.splitlines())


def test_the_example_of_the_readme_plays_in_both_classes(root, monkeypatch):
    """On a run that ships, which is restored if it is not in place."""
    monkeypatch.chdir(root)
    played = {}
    exec(example(root), played)
    assert isinstance(played["env"], roma.envs.pettingzoo.SkirmishParallelEnv)
    assert played["env"].agents == []
    assert played["terminated"]
    assert isinstance(played["info"]["battle_won"], bool)


@pytest.mark.parametrize("mask", ["observation", "info"])
def test_agents_of_pettingzoo_get_the_actions_that_they_get_in_smac(finished, mask):
    policy, other = roma.load(finished / "roma"), roma.load(finished / "roma")
    smac, env = StarCraft2Env(map_name="2s3z", seed=3), parallel_env("2s3z", mask=mask)
    _, state = smac.reset()
    observations, infos = env.reset(seed=3)
    policy.reset(state)
    other.reset(env.state())
    terminated = False
    while not terminated:
        actions = policy.act(smac.get_obs(), smac.get_avail_actions())
        shuffled = dict(reversed(observations.items()))
        by_agent = other.act(shuffled) if mask == "observation" else other.act(shuffled, infos)
        assert list(by_agent.items()) == list(zip(env.possible_agents, actions.tolist(), strict=True))
        _, terminated, _ = smac.step(actions)
        observations, _, _, _, infos = env.step(by_agent)
        assert not any(info["unavailable_action"] for info in infos.values())
    assert env.agents == []


def test_the_hidden_state_belongs_to_an_episode(finished):
    """The same episode again is the same; without a reset the agents remember the one before."""
    policy, env = roma.load(finished / "qmix_nps"), StarCraft2Env(map_name="2s3z", seed=0)
    observations, state = env.reset()
    available = env.get_avail_actions()
    policy.reset(state)
    first = [policy.act(observations, available).tolist() for _ in range(9)]
    policy.reset(state)
    assert [policy.act(observations, available).tolist() for _ in range(9)] == first


def test_episodes_count_up_and_decide_the_noise(finished):
    policy, env = roma.load(finished / "roma"), StarCraft2Env(map_name="2s3z", seed=0)
    _, state = env.reset()
    keys = []
    for episode in (None, None, 7, None):
        policy.reset(state, episode)
        keys.append(int(policy._actor.keys[0]))
    policy.reset(state, 1)
    assert keys[1] == policy._actor.keys[0]
    assert len(set(keys)) == 4


def test_roles_are_those_of_the_last_decision(finished):
    policy, env = roma.load(finished / "roma", step=0), StarCraft2Env(map_name="2s3z", seed=0)
    _, state = env.reset()
    policy.reset(state)
    with pytest.raises(UserError, match="nothing was decided in this episode"):
        policy.roles()
    seen = []
    for _ in range(2):
        seen.append(np.array(env.get_obs(), np.float32))
        actions = policy.act(env.get_obs(), env.get_avail_actions())
        env.step(actions)
    mean, variance = policy.roles()
    before = policy._seen[1]
    expected = policy._learner.roles(
        torch.from_numpy(np.stack(seen)), torch.from_numpy(np.stack([before * 0 - 1, before]))
    )
    assert mean.shape == variance.shape == (5, 3)
    np.testing.assert_allclose(mean, expected[0][1], atol=1e-6)
    np.testing.assert_allclose(variance, expected[1][1], atol=1e-6)
    assert policy.has_roles
    other = roma.load(finished / "coma")
    assert not other.has_roles
    with pytest.raises(UserError, match="the agents of coma have no roles"):
        other.roles()


def test_a_step_is_one_that_was_kept(finished, tmp_path):
    assert roma.load(str(finished / "roma")).step == 300
    assert roma.load(finished / "roma", step=0).step == 0
    with pytest.raises(UserError, match=r"/roma/policies has no policy of step 7; kept there: 0, 300$"):
        roma.load(finished / "roma", step=7)
    run = shutil.copytree(finished / "roma", tmp_path / "run")
    (run / "policies" / "t300.safetensors").unlink()
    with pytest.raises(UserError, match=r"t300.safetensors is missing, although the run is finished"):
        roma.load(run)
    (run / "metrics.parquet").unlink()
    with pytest.raises(UserError, match="is not finished"):
        roma.load(run)
    assert roma.load(run, step=0).step == 0  # of a run that is being trained


def test_what_does_not_fit_is_said(finished):
    policy, env = roma.load(finished / "roma"), StarCraft2Env(map_name="2s3z", obs_timestep_number=True)
    assert repr(policy) == "<policy of roma on 2s3z, seed 1, 300 environment steps>"
    with pytest.raises(UserError, match=r"no episode has begun: policy.reset\(state\)"):
        policy.act([], [])
    observations, state = env.reset()
    policy.reset(state)
    with pytest.raises(
        UserError, match=r"observations of shape \(5, 82\) do not fit: the policy of roma on 2s3z takes"
    ):
        policy.act(observations, env.get_avail_actions())
    with pytest.raises(UserError, match="the available actions are missing"):
        policy.act(observations)
    with pytest.raises(UserError, match=r"state of shape \(3,\) do not fit"):
        policy.reset([1, 2, 3])
    zoo = parallel_env("2s3z", mask="info")
    observations, infos = zoo.reset(seed=0)
    with pytest.raises(UserError, match="the available actions are missing"):
        policy.act(observations)
    del infos["zealot_2"]
    with pytest.raises(UserError, match="no observation or info of zealot_2; there are: stalker_0"):
        policy.act(observations, infos)


def test_a_run_that_does_not_ship_is_named_with_those_that_do(root, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    with pytest.raises(
        UserError, match=r"'10m_vs_11m/qmxi/seed0' is not a run that ships .did you mean '10m_vs_11m/qmix"
    ):
        roma.load("10m_vs_11m/qmxi/seed0")
    with pytest.raises(UserError, match="there is no folder runs/my_run, and it is not the name MAP/ARM/seedK"):
        roma.load("runs/my_run")


def test_outside_of_a_clone_the_path_of_a_run_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(policies, "__file__", str(tmp_path / "policy.py"))
    with pytest.raises(UserError, match="runs come with a clone of the project only"):
        roma.load("10m_vs_11m/qmix/seed0")


def test_importing_the_package_imports_nothing_heavy():
    program = "import roma, sys; print([name for name in ('numpy', 'torch', 'numba') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"
