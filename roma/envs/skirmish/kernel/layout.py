"""Data of the compiled code, and names of its numbers.

Unit i of a battle is record `u[i]` of LIFE, and its constants are record `r.unit[i]` of UNIT. Agents come first, then
enemies. Time is in game loops (1/16 s), distance in map units.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from roma.scenarios.facts import MAX_TYPES

LOOPS_PER_STEP = 8

IDLE, MOVE, ATTACK, HEAL, ATTACK_MOVE, GUARD = range(6)  # orders; the last two let a unit choose targets itself
WALKS, CLIMBS, FLIES = range(3)  # ways of moving; units that climb or fly do not block units on the ground
GOES_ON, WON, LOST, DRAW, TIME_OUT = range(5)  # results of a timestep

# Constants of one unit: its type's statistics in loops and map units, and its start and goal on the map.
UNIT = np.dtype(
    [
        ("kind", np.int64),  # unit type, index into `damage`
        ("damage", np.float64, (MAX_TYPES,)),  # of one blow before armour, by the target's type
        ("health_max", np.float64),
        ("shield_max", np.float64),
        ("armor", np.float64),
        ("speed", np.float64),  # per loop
        ("acceleration", np.float64),  # per loop squared
        ("radius", np.float64),
        ("motion", np.uint8),  # WALKS, CLIMBS or FLIES
        ("health_regeneration", np.float64),  # per loop
        ("shield_regeneration", np.float64),  # per loop
        ("shield_delay", np.float64),  # loops
        ("energy_start", np.float64),
        ("energy_max", np.float64),
        ("energy_regeneration", np.float64),  # per loop
        ("range", np.float64),  # of the weapon, edge to edge; 0 without a weapon
        ("period", np.float64),  # loops
        ("damage_point", np.float64),  # loops
        ("backswing", np.float64),  # loops
        ("hits", np.int64),
        ("hit_delay", np.float64),  # loops
        ("missile_speed", np.float64),  # per loop; 0: the blow lands at once
        ("slop", np.float64),  # a begun attack follows its target this far beyond the range
        ("splash", np.float64),
        ("reaches_air", np.bool_),
        ("reaches_ground", np.bool_),
        ("heals", np.bool_),
        ("heal_rate", np.float64),  # health per loop
        ("heal_cost", np.float64),  # energy per health
        ("heal_range", np.float64),
        ("heal_scan", np.float64),
        ("heal_threshold", np.float64),
        ("healable", np.bool_),
        ("spawn_x", np.float64),
        ("spawn_y", np.float64),
        ("goal_x", np.float64),  # goal of an enemy's attack-move, or its post as a guard
        ("goal_y", np.float64),
        ("goal_to_x", np.float64),  # other end of the line on which an episode draws the goal
        ("goal_to_y", np.float64),
        ("type_index", np.int64),  # index of its one-hot type bit
        ("cooldown_scale", np.float64),
        ("delay", np.float64),  # loops from the damage point until all blows land; 0: see missile_speed and hit_delay
        ("sweep", np.float64),  # half the length of the line across the line of fire on which other units are hit
        ("sweep_reach", np.float64),  # largest distance of a unit's edge from that line
    ],
    align=True,
)

# State of one unit.
LIFE = np.dtype(
    [
        ("x", np.float64),
        ("y", np.float64),
        ("health", np.float64),
        ("shield", np.float64),
        ("energy", np.float64),
        ("cooldown", np.float64),  # loops until the next attack may begin
        ("pace", np.float64),  # current speed
        ("order", np.int64),
        ("order_x", np.float64),
        ("order_y", np.float64),
        ("target", np.int64),  # unit attacked, chased or healed; -1 none
        ("windup", np.float64),  # loops until the first blow of a begun attack; 0: none is begun
        ("backswing", np.float64),  # loops during which the unit cannot follow the target of its last blow
        ("blow", np.float64),  # loops until a released blow lands (missile, second hit)
        ("blow_target", np.int64),
        ("blows_left", np.int64),
        ("unharmed", np.float64),  # loops since the last damage
        ("offender", np.int64),  # unit that dealt the last damage; -1 none
        ("side", np.float64),  # side on which the unit passes obstacles, +1 or -1
        ("detour", np.int64),  # index of its last turn around an obstacle; 0: it moved straight
        ("waiting", np.bool_),  # was blocked in this loop and tries again at its end
        ("way_x", np.float64),  # destination in this loop
        ("way_y", np.float64),
        ("gap", np.float64),  # distance from the destination at which the unit stops
        ("look", np.int64),  # loops until the next search for a target
        ("patience", np.int64),  # loops during which a fully blocked unit does not move
        ("arrived", np.bool_),  # at its goal, or stopped behind a unit that has arrived
        ("bursting", np.bool_),  # dead, and its explosion is not applied yet
    ],
    align=True,
)


class Rules(NamedTuple):
    """Constants of one map."""

    unit: Any  # (N,) of UNIT
    n_allies: int
    episode_limit: int  # timesteps
    walkable: Any  # (32, 32), [y, x]
    passable: Any  # (3, 32, 32), passable cells for each way of moving, [way of moving, y, x]
    waypoint: Any  # (cells, cells), first cell on the path from one cell to another; (1, 1) if all paths are straight
    attack_move: bool  # enemies march to their goal; otherwise they guard it and return to it after a fight
    drawn_goal: bool  # each episode draws the enemies' goal on a line
    ally_types: int  # number of type bits; 0 for a side with one type
    enemy_types: int
    ally_shields: bool
    enemy_shields: bool
    healer_rules: bool  # SMAC's rule for maps of type MMM: a side with only a healer left is beaten
    spare_own_feature: bool  # SMAC, but not the authors' fork, adds an extra zero beside the timestep
    separation: Any  # (N,) separation radius: units do not come closer than the sum of theirs
    enemy_points: float  # health and shield of all enemies at the start
    acquire_range: float  # infinite if enemies hunt; see `Choices` for this field and those below
    notice_range: float
    look_every: int
    reaction: int
    prefer_attackers: bool
    splash_edge: float
    patience: int


class Places(NamedTuple):
    """Positions of the living units of the current battle in contiguous arrays: scratch space for movement."""

    x: Any  # (2, N): for units on the ground, and for units above it; infinite for all others
    y: Any  # (N,)


class Battles(NamedTuple):
    """State of E battles."""

    units: Any  # (E, N) of LIFE
    turn: Any  # (E, N) order in which units act in this loop
    counted: Any  # (E, N) deaths that earlier rewards include
    last_actions: Any  # (E, A), -1 after reset
    step: Any  # (E,) timesteps played
    random: Any  # (E, 1) state of the battle's random stream
    places: Places
