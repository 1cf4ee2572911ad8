"""PettingZoo interface: PettingZoo's own tests, and equality with the engine's battle."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from pettingzoo.test import (
    api_test,
    max_cycles_test,
    parallel_api_test,
    parallel_seed_test,
    render_test,
    seed_test,
    state_test,
)

from roma.envs import pettingzoo
from roma.envs.episode_seeds import EpisodeSeeds
from roma.envs.pettingzoo import SkirmishParallelEnv, parallel_env, raw_env
from roma.envs.skirmish import kernel
from roma.envs.skirmish.engine import Skirmish
from roma.envs.skirmish.options import Choices, EnvOptions
from roma.scenarios import map_names
from roma.support.errors import UserError


def sample(env: SkirmishParallelEnv, observations: dict[str, Any]) -> dict[str, int]:
    """An available action of each agent, from the streams of the action spaces, which the caller seeds."""
    return {agent: env.action_space(agent).sample(observations[agent]["action_mask"]) for agent in env.agents}


@pytest.mark.parametrize("map_name", map_names())
def test_pettingzoos_own_tests_of_parallel_environments_pass(map_name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(parallel_env(map_name))
        parallel_seed_test(lambda: parallel_env(map_name))


@pytest.mark.parametrize("mask", ["observation", "info"])
def test_the_rest_of_pettingzoos_suite_passes(mask: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Two of its warnings do not apply: that dead agents see zeros, and that an observation with a mask is no array."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Observation numpy array is all zeros")
        for dictionary in ("Observation space for each agent probably should be", "Observation is not a NumPy array"):
            warnings.filterwarnings("ignore", dictionary)
        parallel_api_test(parallel_env("MMM2", mask=mask), num_cycles=200)
        api_test(pettingzoo.env("MMM2", mask=mask), num_cycles=200)
        seed_test(lambda: pettingzoo.env("3m", mask=mask), num_cycles=200)
        state_test(pettingzoo.env("2s3z", mask=mask), parallel_env("2s3z", mask=mask))
        render_test(lambda render_mode: pettingzoo.env("3m", mask=mask, render_mode=render_mode))
        max_cycles_test(pettingzoo)
    assert "3m, timestep" in capsys.readouterr().out


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_copy_goes_on_where_the_original_was(copied: Any) -> None:
    each = parallel_env("3m")
    each.reset(seed=1)
    other = copied(each)
    for _ in range(2):
        each.step(dict.fromkeys(each.agents, 1))
        other.step(dict.fromkeys(other.agents, 1))
    np.testing.assert_array_equal(each.state(), other.state())


@pytest.mark.parametrize("map_name", ["2s3z", "MMM2"])
@pytest.mark.parametrize("options", [{}, {"obs_timestep_number": True, "obs_last_action": True, "move_amount": 3}])
def test_a_battle_is_that_of_the_vector_engine(map_name: str, options: dict[str, Any]) -> None:
    env, engine = parallel_env(map_name, **options), Skirmish(map_name, 1, EnvOptions(**options))
    seeds = EpisodeSeeds(11)
    for slot, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(slot)
    for episode in range(2):
        observations, infos = env.reset(seed=11 if episode == 0 else None)
        engine.reset(np.array([seeds.next()]))
        agents, seen_dead = list(env.agents), 0
        assert agents == env.possible_agents
        while env.agents:
            assert env.agents == agents
            for slot, agent in enumerate(agents):
                assert env.observation_space(agent).contains(observations[agent])
                np.testing.assert_array_equal(observations[agent]["observation"], engine.obs[0, slot])
                np.testing.assert_array_equal(observations[agent]["action_mask"], engine.avail_actions[0, slot])
                assert set(infos[agent]) == {"alive", "battle_won", "unavailable_action"}
                if not infos[agent]["alive"]:
                    seen_dead += 1
                    assert observations[agent]["action_mask"].tolist() == [1] + [0] * (engine.info.n_actions - 1)
            np.testing.assert_array_equal(env.state(), engine.state[0])
            assert env.state_space.contains(env.state())
            actions = sample(env, observations)
            observations, rewards, terminations, truncations, infos = env.step(actions)
            taken = np.array([[actions[agent] for agent in agents]], np.int64)
            seeds.note(taken)
            outcome = engine.step(taken)
            assert rewards == dict.fromkeys(agents, float(outcome.reward[0]))
            timed_out = engine._end[0] == kernel.TIME_OUT
            assert terminations == dict.fromkeys(agents, bool(outcome.terminated[0]) and not timed_out)
            assert truncations == dict.fromkeys(agents, bool(timed_out))
            assert not any(infos[agent]["unavailable_action"] for agent in agents)
        assert seen_dead > 0


def test_time_running_out_truncates() -> None:
    env = parallel_env("10z5b_vs_2s3z")  # the enemies on this map do not move
    env.reset(seed=1)
    agents = list(env.agents)
    while env.agents:
        _, _, terminations, truncations, _ = env.step(dict.fromkeys(agents, 1))
    assert truncations == dict.fromkeys(agents, True)
    assert terminations == dict.fromkeys(agents, False)


def test_an_unavailable_action_is_played_as_stop_and_reported() -> None:
    env, other = parallel_env("2s3z"), parallel_env("2s3z")
    env.reset(seed=3)
    other.reset(seed=3)
    first = env.agents[0]
    observations, *_, infos = env.step(dict.fromkeys(env.agents, 1) | {first: 6})  # the enemies are far away
    expected = other.step(dict.fromkeys(other.agents, 1))[0]
    np.testing.assert_array_equal(observations[first]["observation"], expected[first]["observation"])
    assert [agent for agent in env.agents if infos[agent]["unavailable_action"]] == [first]


def test_misuse_is_an_error() -> None:
    env = parallel_env("3m")
    with pytest.raises(UserError, match="reset"):
        env.step({})
    env.reset(seed=0)
    with pytest.raises(UserError, match="marine_2"):
        env.step({"marine_0": 1, "marine_1": 1})
    with pytest.raises(UserError, match="marine_0"):
        env.step({"marine_0": 9, "marine_1": 1, "marine_2": 1})
    with pytest.raises(UserError, match="did you mean 'obs_last_action'"):
        parallel_env("3m", obs_last_actions=True)
    with pytest.raises(UserError, match="window"):
        parallel_env("3m", render_mode="window")
    with pytest.raises(UserError, match="did you mean 'observation'"):
        parallel_env("3m", mask="observations")
    with pytest.raises(UserError, match="at least 1, or None, not 0"):
        parallel_env("3m", max_cycles=0)
    with pytest.raises(UserError, match="did you mean '3m'"):
        parallel_env("3n")


def test_a_picture_comes_with_its_render_mode_only() -> None:
    env = parallel_env("3m", render_mode="rgb_array")
    env.reset(seed=0)
    pixels = env.render()
    assert pixels is not None
    assert (pixels.ndim, pixels.dtype) == (3, np.uint8)
    plain = parallel_env("3m")
    plain.reset(seed=0)
    with pytest.warns(UserWarning, match="without a render mode"):
        assert plain.render() is None


def test_the_engines_own_settings_act() -> None:
    envs = [parallel_env("8m", choices=choices) for choices in (None, Choices(formation_gap=1))]
    for env in envs:
        env.reset(seed=0)
    assert not np.array_equal(*(env.state() for env in envs))


def test_agents_are_numbered_per_type() -> None:
    assert parallel_env("2s3z").possible_agents == ["stalker_0", "stalker_1", "zealot_0", "zealot_1", "zealot_2"]


def test_the_mask_may_stand_in_the_infos() -> None:
    each, other = parallel_env("2s3z", mask="info"), parallel_env("2s3z")
    outcomes = each.reset(seed=1), other.reset(seed=1)
    while each.agents:
        (seen, infos), (expected, plain) = ((outcome[0], outcome[-1]) for outcome in outcomes)
        for agent in each.agents:
            assert each.observation_space(agent).contains(seen[agent])
            np.testing.assert_array_equal(seen[agent], expected[agent]["observation"])
            np.testing.assert_array_equal(infos[agent]["action_mask"], expected[agent]["action_mask"])
            assert set(infos[agent]) == set(plain[agent]) | {"action_mask"}
        actions = {agent: int(np.flatnonzero(infos[agent]["action_mask"])[-1]) for agent in each.agents}
        outcomes = each.step(actions), other.step(actions)


def test_max_cycles_truncates() -> None:
    each = parallel_env("3m", max_cycles=2)
    for _ in range(2):
        each.reset()
        assert not any(each.step(dict.fromkeys(each.agents, 1))[3].values())
        agents = list(each.agents)
        _, _, terminations, truncations, _ = each.step(dict.fromkeys(agents, 1))
        assert (terminations, truncations) == (dict.fromkeys(agents, False), dict.fromkeys(agents, True))
        assert each.agents == []


def test_calls_out_of_order_are_answered_as_pettingzoo_asks() -> None:
    each = parallel_env("3m", render_mode="ansi", max_cycles=1)
    with pytest.raises(AssertionError, match="before state"):
        each.state()
    with pytest.raises(AssertionError, match="before render"):
        each.render()
    each.reset(seed=0)
    each.step(dict.fromkeys(each.agents, 1))
    assert each.step({}) == ({}, {}, {}, {}, {})
    assert each.state().any()
    with pytest.raises(UserError, match="reset"):
        each.step({"marine_0": 1})


def test_the_generator_for_users_follows_the_seed() -> None:
    draws = []
    for seed in (5, 5, 6):
        each = parallel_env("3m")
        each.reset(seed=seed)
        assert each.np_random_seed == seed
        draws.append(each.np_random.random())
    assert draws[0] == draws[1] != draws[2]


def test_workers_with_one_seed_part_after_their_first_episode() -> None:
    states = []
    for rank in range(3):
        each = parallel_env("3m")
        observations = each.reset(seed=4)[0]
        for slot, agent in enumerate(each.possible_agents):
            each.action_space(agent).seed(10 * rank + slot)
        seeds = [each._battle.seed]
        for _ in range(2):
            while each.agents:
                observations = each.step(sample(each, observations))[0]
            observations = each.reset()[0]
            seeds.append(each._battle.seed)
        states.append(seeds)
    first, second, third = zip(*states, strict=True)
    assert len(set(first)) == 1
    assert len({*second, *third}) == 6


def test_agents_can_take_turns() -> None:
    turns = raw_env("3m")
    turns.reset(seed=0)
    assert turns.agents == ["marine_0", "marine_1", "marine_2"]
    for agent in turns.agent_iter(3):
        turns.step(1)
        assert agent in turns.agents
    assert turns.rewards == dict.fromkeys(turns.agents, 0.0)


@pytest.mark.parametrize("map_name", ["2s3z", "MMM2", "10z5b_vs_2s3z"])
@pytest.mark.parametrize("instead", [False, True])
def test_states_are_in_their_space(map_name: str, instead: bool) -> None:
    each = parallel_env(map_name, obs_instead_of_state=instead)
    assert np.isfinite([each.state_space.low, each.state_space.high]).all()
    greatest = 0.0
    for seed in range(3):
        observations = each.reset(seed=seed)[0]
        while each.agents:
            assert each.state_space.contains(each.state())
            greatest = max(greatest, each.state().max())
            observations = each.step(sample(each, observations))[0]
    assert greatest > 0.9
