"""TorchRL reads the PettingZoo interface, with either place of the mask."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torchrl.envs import ParallelEnv, PettingZooWrapper
from torchrl.envs.utils import MarlGroupMapType, check_env_specs

from roma.envs.pettingzoo import parallel_env

TEAM = MarlGroupMapType.ALL_IN_ONE_GROUP


def wrapped(map_name: str, mask: Any = "observation", **options: Any) -> PettingZooWrapper:
    return PettingZooWrapper(parallel_env(map_name, mask=mask), return_state=True, **options)


@pytest.mark.parametrize("map_name", ["3m", "2s3z", "MMM2"])
@pytest.mark.parametrize("mask", ["observation", "info"])
@pytest.mark.parametrize("group_map", [None, TEAM])
def test_specifications_hold(map_name: str, mask: str, group_map: MarlGroupMapType | None) -> None:
    """A rollout has the declared keys, shapes, types and bounds, with every grouping of agents."""
    check_env_specs(wrapped(map_name, mask, group_map=group_map))


@pytest.mark.parametrize("mask", ["observation", "info"])
def test_random_rollouts_keep_to_the_mask_and_repeat(mask: str) -> None:
    """TorchRL samples with our masks: no agent takes an action that is not available. A seed repeats an episode."""
    rollouts = []
    for _ in range(2):
        torch.manual_seed(0)
        env = wrapped("2s3z", mask, group_map=TEAM, seed=3)
        rollouts.append(env.rollout(200))
    played = rollouts[0]["agents"]
    taken = played["action_mask"].gather(-1, played["action"].unsqueeze(-1))
    assert taken.all()
    assert not rollouts[0]["next", "agents", "info", "unavailable_action"].any()
    assert rollouts[0]["next", "done"][-1]
    assert rollouts[0]["state"].equal(rollouts[1]["state"])


def test_processes_play_different_battles() -> None:
    make = functools.partial(wrapped, "3m", group_map=TEAM)
    env = ParallelEnv(2, make, mp_start_method="fork")  # no two new interpreters, which take long to start
    try:
        env.set_seed(0)
        rollout = env.rollout(5, break_when_any_done=False)
    finally:
        env.close()
    assert rollout.batch_size == (2, 5)
    assert not rollout["state"][0].equal(rollout["state"][1])
