"""Random battles for tests of recordings."""

from __future__ import annotations

from roma.envs.skirmish.engine import RandomPolicy
from roma.envs.skirmish.options import Choices, EnvOptions
from roma.envs.skirmish.recordings.battle import GOES_ON, Battle, Recording


def random_battle(
    map_name: str, seed: int, steps: int = 1000, options: EnvOptions | None = None, choices: Choices | None = None
) -> Recording:
    """Return a battle of random play, stopped after `steps` timesteps if it lasts that long."""
    battle, policy = Battle(map_name, options, choices), RandomPolicy(seed)
    battle.begin(seed)
    while battle.result == GOES_ON and steps > 0:
        battle.play(policy(battle.avail_actions)[0])
        steps -= 1
    return battle.recording("random")
