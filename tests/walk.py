"""A walk of the engine through every map and option, for a kernel that checks the bounds of every array.

Numba checks bounds where NUMBA_BOUNDSCHECK=1 is set before it is imported; that machine code has a folder of its own.

    NUMBA_BOUNDSCHECK=1 python -m tests.walk --help
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from roma.envs.skirmish import kernel
from roma.envs.skirmish.engine import RandomPolicy, Skirmish
from roma.envs.skirmish.options import EnvOptions
from roma.scenarios import map_names

SWITCHES = [field.name for field in fields(EnvOptions) if isinstance(field.default, bool)]
NUMBERS: dict[str, tuple[float, ...]] = {
    "move_amount": (0.5, 1, 3, 10, 100),
    "reward_death_value": (0, 25),
    "reward_win": (0, 50),
    "reward_defeat": (-100, 10),
    "reward_negative_scale": (0, 2),
    "reward_scale_rate": (0.5, 100),
}


def option_sets(random_sets: int) -> Iterator[dict[str, Any]]:
    """Return each option alone, all switches on, all switches off, and random settings of all options."""
    defaults = {field.name: field.default for field in fields(EnvOptions)}
    yield from ({name: not defaults[name]} for name in SWITCHES)
    yield from ({name: value} for name, values in NUMBERS.items() for value in values)
    yield dict.fromkeys(SWITCHES, True)
    yield dict.fromkeys(SWITCHES, False)
    rng = np.random.default_rng(0)
    for _ in range(random_sets):
        drawn: dict[str, Any] = {name: bool(rng.integers(2)) for name in SWITCHES}
        drawn |= {name: values[rng.integers(len(values))] for name, values in NUMBERS.items() if rng.integers(2)}
        yield drawn


def walk(map_name: str, options: dict[str, Any], scripted: bool, seed: int) -> int:
    """Play two parallel episodes to their ends, check all outputs, and return the timesteps played."""
    chosen = EnvOptions(**options)
    env, policy = Skirmish(map_name, 2, chosen), RandomPolicy(seed)
    env.reset(np.array([seed, seed + 1]))
    active, steps = np.ones(2, bool), 0
    while active.any():
        outcome = env.step_scripted(active) if scripted else env.step(policy(env.avail_actions), active)
        steps += 1
        assert np.isfinite(outcome.reward).all()
        assert np.isfinite(env.obs).all()
        assert np.isfinite(env.state).all()
        assert env.avail_actions.any(-1).all()
        check_surroundings(env, chosen)
        active &= ~outcome.terminated
    again = np.empty_like(env.obs), np.empty_like(env.state), np.empty_like(env.avail_actions)
    env.observe_snapshots(env.snapshots, env.last_actions, env._battles.step, *again)
    for shown, recomputed in zip((env.obs, env.state, env.avail_actions), again, strict=True):
        np.testing.assert_array_equal(shown, recomputed)
    return steps


def check_surroundings(env: Skirmish, options: EnvOptions) -> None:
    """Check that walkability and height around agents are 0 or 1: maps are flat, with 1 beyond their edges."""
    seen = 4 + 8 * options.obs_pathing_grid + 9 * options.obs_terrain_height
    assert np.isin(env.obs[:, :, :seen], (0, 1)).all()


def run(*arguments: str) -> str:
    """Walk in a separate process with a bounds-checked kernel; return its output."""
    command = [sys.executable, "-m", "tests.walk", *arguments]
    checking, root = os.environ | {"NUMBA_BOUNDSCHECK": "1"}, Path(__file__).parents[1]
    outcome = subprocess.run(command, cwd=root, env=checking, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def bounds_are_checked() -> bool:
    """Return whether the kernel rejects a snapshot with one row too many."""
    units = Skirmish("3m", 1)._battles.units[0]
    try:
        kernel.pack(units, np.zeros((len(units) + 1, 6)))
    except IndexError:
        return True
    return False


def main(arguments: Sequence[str] | None = None) -> None:
    """Walk and print the numbers of episodes and timesteps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--random-sets", type=int, default=50, help="random settings of all options; default: 50")
    parser.add_argument("--every", type=int, default=1, help="walk every n-th pair of options and map; default: all")
    asked = parser.parse_args(arguments)
    if not bounds_are_checked():
        parser.error("the kernel does not check bounds: set NUMBA_BOUNDSCHECK=1")
    pairs = [(options, name) for options in option_sets(asked.random_sets) for name in map_names()]
    episodes = steps = 0
    for seed, (options, name) in enumerate(pairs[:: asked.every]):
        for scripted in (False, True):
            try:
                steps += walk(name, options, scripted, seed)
            except Exception as error:
                error.add_note(f"walking {name}, seed {seed}, scripted={scripted}, options {options}")
                raise
            episodes += 2
    print(f"{episodes} episodes, {steps} timesteps")


if __name__ == "__main__":
    main()
