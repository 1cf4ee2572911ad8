"""The compiled part of the engine: the rules of battle and SMAC's interface.

`movement`, `combat`, `loop` and `orders` have the rules of battle, which are ours. `interface` has SMAC's observations,
state, available actions and rewards, which tests compare with recorded answers of SMAC's code. `layout` describes the
data that they share, and `battles` plays E battles at once.
"""

from roma.envs.skirmish.kernel.battles import (
    pack,
    reset_battles,
    step_battles,
    step_scripted,
)
from roma.envs.skirmish.kernel.chance import (
    random_available,
)
from roma.envs.skirmish.kernel.combat import (
    acquire,
    explode,
    hurt,
)
from roma.envs.skirmish.kernel.geometry import (
    waypoints,
)
from roma.envs.skirmish.kernel.interface import (
    observe,
    observe_many,
    settle,
)
from roma.envs.skirmish.kernel.layout import (
    ATTACK,
    ATTACK_MOVE,
    CLIMBS,
    DRAW,
    FLIES,
    GOES_ON,
    GUARD,
    HEAL,
    IDLE,
    LIFE,
    LOOPS_PER_STEP,
    LOST,
    MOVE,
    TIME_OUT,
    UNIT,
    WALKS,
    WON,
    Battles,
    Places,
    Rules,
)
from roma.envs.skirmish.kernel.loop import (
    play_loop,
)
from roma.envs.skirmish.kernel.movement import (
    ARRIVED,
)

__all__ = [
    "ARRIVED",
    "ATTACK",
    "ATTACK_MOVE",
    "CLIMBS",
    "DRAW",
    "FLIES",
    "GOES_ON",
    "GUARD",
    "HEAL",
    "IDLE",
    "LIFE",
    "LOOPS_PER_STEP",
    "LOST",
    "MOVE",
    "TIME_OUT",
    "UNIT",
    "WALKS",
    "WON",
    "Battles",
    "Places",
    "Rules",
    "acquire",
    "explode",
    "hurt",
    "observe",
    "observe_many",
    "pack",
    "play_loop",
    "random_available",
    "reset_battles",
    "settle",
    "step_battles",
    "step_scripted",
    "waypoints",
]
