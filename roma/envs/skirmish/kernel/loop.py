"""Rules of battle: one game loop."""

from __future__ import annotations

from roma.envs.skirmish.kernel.chance import shuffle
from roma.envs.skirmish.kernel.combat import acquire, engage, find_patient, heal, in_windup, land_blow, needs_healing
from roma.envs.skirmish.kernel.compiler import compiled, inlined
from roma.envs.skirmish.kernel.layout import ATTACK, ATTACK_MOVE, HEAL, IDLE, MOVE
from roma.envs.skirmish.kernel.movement import go, march, stand, walk


@inlined
def recover(r, u, i):
    """Advance cooldown, regeneration and energy of a living unit by one loop."""
    if u[i].cooldown > 0.0:
        u[i].cooldown -= 1.0
    if u[i].backswing > 0.0:
        u[i].backswing -= 1.0
    if u[i].health < r.unit[i].health_max and r.unit[i].health_regeneration > 0.0:
        u[i].health = min(u[i].health + r.unit[i].health_regeneration, r.unit[i].health_max)
    if u[i].unharmed >= r.unit[i].shield_delay and u[i].shield < r.unit[i].shield_max:
        u[i].shield = min(u[i].shield + r.unit[i].shield_regeneration, r.unit[i].shield_max)
    u[i].unharmed += 1.0
    u[i].energy = min(u[i].energy + r.unit[i].energy_regeneration, r.unit[i].energy_max)


@inlined
def act(r, u, i, random, places):
    """Play one loop of living unit i under its order."""
    if in_windup(r, u, i, places):
        return
    order = u[i].order
    if order == MOVE:
        go(r, u, i, u[i].order_x, u[i].order_y, 0.0, places)
    elif order == ATTACK:
        if u[u[i].target].health > 0.0:
            engage(r, u, i, u[i].target, random, places)
        else:
            u[i].order = IDLE
    elif order == HEAL:
        if needs_healing(r, u, u[i].target) and u[i].energy > 0.0:
            heal(r, u, i, u[i].target, places)
        else:
            u[i].pace = 0.0
    elif order >= ATTACK_MOVE:
        other = find_patient(r, u, i) if r.unit[i].heals else acquire(r, u, i)
        if other >= 0:
            u[i].arrived = False
            if r.unit[i].heals:
                heal(r, u, i, other, places)
            else:
                engage(r, u, i, other, random, places)
        else:
            u[i].target = -1
            march(r, u, i, places)
    else:
        u[i].pace = 0.0


@compiled
def play_loop(r, u, turn, random, places):
    """Advance one battle's units (N,) by one game loop."""
    n = r.unit.shape[0]
    shuffle(turn, random)
    for i in range(n):
        stand(r, u, i, places)
    for k in range(n):
        i = turn[k]
        u[i].waiting = False
        land_blow(r, u, i, places)
        if u[i].health > 0.0:
            recover(r, u, i)
            act(r, u, i, random, places)
            # An idle weapon does not save up time. A weapon that keeps firing keeps its fraction of a loop.
            if u[i].cooldown < 0.0:
                u[i].cooldown = 0.0
    for k in range(n):
        i = turn[k]
        if u[i].waiting and u[i].health > 0.0 and not walk(r, u, i, places, True):
            u[i].patience = r.patience
