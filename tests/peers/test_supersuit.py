"""SuperSuit's wrappers around the PettingZoo interface, judged by PettingZoo's tests."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import supersuit
from pettingzoo.test import api_test, parallel_api_test

from roma.envs.pettingzoo import env, parallel_env

# Wrappers that take observations with a mask inside.
ANY_OBSERVATION: dict[str, Callable[[Any], Any]] = {
    "action_lambda": lambda each: supersuit.action_lambda_v1(each, lambda action, space: action, lambda space: space),
    "clip_reward": supersuit.clip_reward_v0,
    "delay_observations": lambda each: supersuit.delay_observations_v0(each, 2),
    "frame_skip": lambda each: supersuit.frame_skip_v0(each, 2),
    "nan_noop": lambda each: supersuit.nan_noop_v0(each, 1),
    "observation_lambda": lambda each: supersuit.observation_lambda_v0(each, lambda seen, _: seen, lambda space: space),
    "pad_action_space": supersuit.pad_action_space_v0,
    "reward_lambda": lambda each: supersuit.reward_lambda_v0(each, lambda reward: reward / 2),
    "sticky_actions": lambda each: supersuit.sticky_actions_v0(each, 0.25),
}
# Wrappers that need a plain array, as with mask="info". (black_death is for environments whose agents leave.)
ARRAY_ONLY: dict[str, Callable[[Any], Any]] = {
    "agent_indicator": supersuit.agent_indicator_v0,
    "dtype": lambda each: supersuit.dtype_v0(each, np.float64),
    "flatten": supersuit.flatten_v0,
    "frame_stack": lambda each: supersuit.frame_stack_v1(each, 3),
    "max_observation": lambda each: supersuit.max_observation_v0(each, 2),
    "normalize_obs": supersuit.normalize_obs_v0,
    "pad_observations": supersuit.pad_observations_v0,
    "reshape": lambda each: supersuit.reshape_v0(each, (8, 10)),
}
CASES = [(name, mask) for name in ANY_OBSERVATION for mask in ("observation", "info")]
CASES += [(name, "info") for name in ARRAY_ONLY]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "mask"), CASES)
def test_a_wrapped_environment_passes_pettingzoos_tests(name: str, mask: Any) -> None:
    wrap = (ANY_OBSERVATION | ARRAY_ONLY)[name]
    parallel_api_test(wrap(parallel_env("2s3z", mask=mask)), num_cycles=100)
    api_test(wrap(env("2s3z", mask=mask)), num_cycles=100)


@pytest.mark.parametrize("mask", ["observation", "info"])
def test_agents_of_several_copies_become_one_vector(mask: Any) -> None:
    """The interface for Stable Baselines: two copies of five agents are ten environments that reset themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        single = supersuit.pettingzoo_env_to_vec_env_v1(parallel_env("2s3z", mask=mask))
        vector = supersuit.concat_vec_envs_v1(single, 2, base_class="gymnasium")
        vector.reset(seed=1)
        ends = 0
        for _ in range(130):  # more than the map's limit of 120 timesteps
            _, rewards, terminations, truncations, _ = vector.step(np.ones(10, np.int64))
            assert rewards.shape == (10,)
            ends += np.count_nonzero(terminations | truncations)
        vector.close()
    assert ends >= 10
