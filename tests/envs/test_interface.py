"""Observations, state, availability, reward and end of episode against answers of the public SMAC code."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roma.envs.skirmish.engine import Skirmish
from roma.envs.skirmish.interface import observe, slots, transition
from roma.envs.skirmish.options import EnvOptions
from roma.envs.skirmish.rules import build_rules, env_info
from roma.scenarios import map_names

GOLDEN = Path(__file__).parents[1] / "golden" / "smac"
MAPS = sorted(file.name.removesuffix(".json.gz") for file in GOLDEN.glob("*.json.gz"))


@cache
def golden(map_name: str) -> dict[str, Any]:
    return json.loads(gzip.decompress((GOLDEN / f"{map_name}.json.gz").read_bytes()))


def seen(map_name: str, snapshot: dict[str, Any]) -> tuple[Any, Any, Any]:
    data = golden(map_name)
    grid = np.array([[cell == "1" for cell in row] for row in data["pathing"][snapshot["grid"]]])
    return observe(
        map_name,
        snapshot["allies"],
        snapshot["enemies"],
        snapshot["last_actions"],
        grid,
        options=EnvOptions(**snapshot.get("options", {})),
        episode_step=snapshot["episode_step"],
        terrain_height=np.array(data["terrain_height"], float),
    )


def test_all_maps_are_covered() -> None:
    assert sorted(map_names()) == sorted(MAPS)


@pytest.mark.parametrize("map_name", MAPS)
@pytest.mark.parametrize("kind", ["snapshots", "option_snapshots"])
def test_observations(map_name: str, kind: str) -> None:
    for snapshot in golden(map_name)[kind]:
        obs, state, avail = seen(map_name, snapshot)
        expected = np.array(snapshot["obs"])
        assert obs.shape == expected.shape
        assert state.shape == np.shape(snapshot["state"])
        np.testing.assert_allclose(obs, expected, atol=1e-6)
        np.testing.assert_allclose(state, snapshot["state"], atol=1e-6)
        np.testing.assert_array_equal(avail, np.array(snapshot["avail_actions"], bool))


@pytest.mark.parametrize("map_name", MAPS)
def test_transitions(map_name: str) -> None:
    for case in golden(map_name)["transitions"]:
        reward, terminated, info = transition(
            map_name,
            (case["allies_before"], case["enemies_before"]),
            (case["allies_after"], case["enemies_after"]),
            case["dead_before"],
            case["episode_step"],
            options=EnvOptions(**case["options"]),
        )
        assert reward == pytest.approx(case["reward"], abs=1e-6), case["kind"]
        assert terminated == case["terminated"], case["kind"]
        assert info == case["info"], case["kind"]


@pytest.mark.parametrize("map_name", MAPS)
def test_slots(map_name: str) -> None:
    for case in golden(map_name)["ordering"]:
        tags, owners, types, xs, ys = zip(*case["raw_units"], strict=True)
        agents, enemies = slots(owners, types, xs, ys)
        assert [tags[i] for i in agents] == case["agent_tags"]
        assert [tags[i] for i in enemies] == case["enemy_tags"]


@pytest.mark.parametrize("map_name", MAPS)
def test_sizes_and_slots_of_the_engine(map_name: str) -> None:
    header, rules = golden(map_name)["header"], build_rules(map_name)
    info = env_info(map_name, rules, EnvOptions())
    assert (info.n_agents, info.n_enemies, info.n_actions) == (
        header["n_agents"],
        header["n_enemies"],
        header["n_actions"],
    )
    assert (info.obs_size, info.state_size) == (header["obs_size"], header["state_size"])
    assert info.episode_limit == header["episode_limit"]
    assert rules.enemy_points + 10 * info.n_enemies + 200 == header["max_reward"]
    constants = [header["unit_constants"][kind] for kind in header["ally_types"] + header["enemy_types"]]
    assert rules.unit["health_max"].tolist() == [unit["health_max"] for unit in constants]
    assert rules.unit["shield_max"].tolist() == [unit["shield_max"] for unit in constants]
    assert rules.unit["energy_max"].tolist() == [unit["energy_max"] for unit in constants]


@pytest.mark.parametrize("map_name", ["2s3z", "MMM2"])
def test_engine_shows_what_the_interface_shows(map_name: str) -> None:
    env = Skirmish(map_name, 1)
    env.reset(np.array([3]))
    allies, enemies = env.snapshots[0, : env.info.n_agents], env.snapshots[0, env.info.n_agents :]
    obs, state, avail = observe(map_name, allies, enemies)
    np.testing.assert_array_equal(env.obs[0], obs)
    np.testing.assert_array_equal(env.state[0], state)
    np.testing.assert_array_equal(env.avail_actions[0], avail)
