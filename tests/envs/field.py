"""A battle in which tests place units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roma.envs.skirmish import kernel
from roma.envs.skirmish.engine import Skirmish
from roma.envs.skirmish.options import DEFAULT_CHOICES, Choices

FAR = 200.0  # outside the map


def battle(map_name: str, choices: Choices = DEFAULT_CHOICES) -> Skirmish:
    env = Skirmish(map_name, 1, choices=choices)
    env.reset(np.array([0]))
    return env


def units_of(env: Skirmish) -> NDArray[np.void]:
    units: NDArray[np.void] = env._battles.units[0]
    return units


def remove_all_but(env: Skirmish, kept: list[int]) -> None:
    """Remove all other units from the field."""
    gone = [i for i in range(len(env.rules.unit)) if i not in kept]
    units_of(env)["health"][gone] = 0
    units_of(env)["x"][gone] = FAR


def place(env: Skirmish, unit: int, x: float, y: float) -> None:
    units_of(env)[unit]["x"], units_of(env)[unit]["y"] = x, y


def play(env: Skirmish, loops: int) -> None:
    """Advance some game loops under the given orders."""
    battles = env._battles
    for _ in range(loops):
        kernel.play_loop(env.rules, battles.units[0], battles.turn[0], battles.random[0], battles.places)


def gap_between(env: Skirmish, i: int, j: int) -> float:
    """Return the distance between the edges of two units."""
    units, unit = units_of(env), env.rules.unit
    centres = np.hypot(units[i]["x"] - units[j]["x"], units[i]["y"] - units[j]["y"])
    return float(centres - unit[i]["radius"] - unit[j]["radius"])
