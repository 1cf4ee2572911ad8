"""The data that compiled code works on, and the names of the numbers in it.

Unit i of a battle is record `u[i]` of LIFE, its constants are record `r.unit[i]` of UNIT; agents come first, then
enemies. Time is counted in game loops (1/16 s), distance in map units.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from roma.scenarios.facts import MAX_TYPES

LOOPS_PER_STEP = 8

IDLE, MOVE, ATTACK, HEAL, ATTACK_MOVE, GUARD = range(6)  # orders; from ATTACK_MOVE on a unit looks for fights itself
WALKS, CLIMBS, FLIES = range(3)  # ways of moving: who climbs or flies is above the ground, and in nobody's way there
GOES_ON, WON, LOST, DRAW, TIME_OUT = range(5)  # how a timestep ended

# Constants of one unit: its type's statistics in loops and map units, and its place in the map.
UNIT = np.dtype(
    [
        ("kind", np.int64),  # unit type, index into `damage`
        ("damage", np.float64, (MAX_TYPES,)),  # of one blow, before armour, by the target's type
        ("health_max", np.float64),
        ("shield_max", np.float64),
        ("armor", np.float64),
        ("speed", np.float64),  # per loop
        ("acceleration", np.float64),  # per loop and loop
        ("radius", np.float64),
        ("motion", np.uint8),  # WALKS, CLIMBS or FLIES
        ("health_regeneration", np.float64),  # per loop
        ("shield_regeneration", np.float64),  # per loop
        ("shield_delay", np.float64),  # loops
        ("energy_start", np.float64),
        ("energy_max", np.float64),
        ("energy_regeneration", np.float64),  # per loop
        ("range", np.float64),  # of the weapon, edge to edge; 0 without one
        ("period", np.float64),  # loops
        ("damage_point", np.float64),  # loops
        ("backswing", np.float64),  # loops
        ("hits", np.int64),
        ("hit_delay", np.float64),  # loops
        ("missile_speed", np.float64),  # per loop; 0: at once
        ("slop", np.float64),  # how far beyond its range a begun attack follows its target
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
        ("goal_x", np.float64),  # where an enemy is ordered to, or where it stands guard
        ("goal_y", np.float64),
        ("goal_to_x", np.float64),  # the other end of the line on which the goal is drawn
        ("goal_to_y", np.float64),
        ("type_index", np.int64),  # place in the one-hot type bits
        ("cooldown_scale", np.float64),
        ("delay", np.float64),  # loops from the damage point until all blows land; 0: see missile_speed and hit_delay
        ("sweep", np.float64),  # half the length of the line across the line of fire on which others are struck
        ("sweep_reach", np.float64),  # how near to that line an edge must be
    ],
    align=True,
)

# The changing part of one unit.
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
        ("windup", np.float64),  # loops until the blow of a begun attack
        ("backswing", np.float64),  # loops for which it cannot follow the target it has just struck at
        ("blow", np.float64),  # loops until a blow already struck lands (missile, second hit)
        ("blow_target", np.int64),
        ("blows_left", np.int64),
        ("unharmed", np.float64),  # loops since the last damage
        ("offender", np.int64),  # who dealt it; -1 none
        ("side", np.float64),  # on which side obstacles are rounded, +1 or -1
        ("detour", np.int64),  # the turn it last took round something; 0 on a straight way
        ("waiting", np.bool_),  # wants to move and was blocked in this loop
        ("way_x", np.float64),  # where the unit wants to go in this loop
        ("way_y", np.float64),
        ("gap", np.float64),  # how far from there it stops
        ("look", np.int64),  # loops until it looks for a better target
        ("patience", np.int64),  # loops for which it stands still after finding no way
        ("arrived", np.bool_),  # at its goal, or behind others who are
        ("bursting", np.bool_),  # dead, its explosion still to be worked out
    ],
    align=True,
)


class Rules(NamedTuple):
    """One map's constants."""

    unit: Any  # (N,) of UNIT
    n_allies: int
    episode_limit: int  # timesteps
    walkable: Any  # (32, 32), [y, x]
    passable: Any  # (3, 32, 32), the same for each way of moving
    waypoint: Any  # (cells, cells) next cell on the way from one cell to another; (1, 1) where all ways are straight
    attack_move: bool  # whether enemies march to their goal; otherwise they return to it after a fight
    drawn_goal: bool  # whether each episode draws the enemies' goal on a line
    ally_types: int  # number of type bits, 0 on maps of one type
    enemy_types: int
    ally_shields: bool
    enemy_shields: bool
    healer_rules: bool  # SMAC's MMM maps: a healer alone neither holds nor loses the field
    spare_own_feature: bool  # SMAC, not the authors' fork, leaves an extra zero where it counts the timestep
    separation: Any  # (N,) radius within which nobody else stands
    enemy_points: float  # health and shield of all enemies at the start
    acquire_range: float  # the least, without limit where enemies hunt; see `Choices` for this and the following
    notice_range: float
    look_every: int
    reaction: int
    prefer_attackers: bool
    splash_edge: float
    patience: int


class Places(NamedTuple):
    """Where the living units of the battle in hand stand, in arrays of their own: scratch for movement."""

    x: Any  # (2, N): of those on the ground, of those above it; others stand infinitely far away
    y: Any  # (N,)


class Battles(NamedTuple):
    """The changing part of E battles."""

    units: Any  # (E, N) of LIFE
    turn: Any  # (E, N) order of acting in this loop
    counted: Any  # (E, N) death already paid for in the reward
    last_actions: Any  # (E, A), -1 after reset
    step: Any  # (E,) timesteps played
    random: Any  # (E, 1) state of the battle's random stream
    places: Places
