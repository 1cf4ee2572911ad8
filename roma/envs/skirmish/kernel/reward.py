"""SMAC's interface: what a timestep is worth and whether it was the last."""

from __future__ import annotations

from roma.envs.skirmish.kernel.compiler import compiled
from roma.envs.skirmish.kernel.layout import DRAW, GOES_ON, LOST, TIME_OUT, WON
from roma.scenarios.rows import HEALTH, SHIELD


@compiled
def settle(r, o, before, after, counted, step):
    """Return SMAC's reward for one timestep, scaled, and how the timestep ended.

    before, after: snapshots (N, 6); counted (N,): deaths paid for earlier, updated; step: timesteps played, this one
    included.
    """
    n, allies = r.unit.shape[0], r.n_allies
    damage_dealt, deaths_dealt, damage_taken, deaths_taken = 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        if counted[i]:
            continue
        points = before[i, HEALTH] + before[i, SHIELD]
        if after[i, HEALTH] > 0.0:
            points -= after[i, HEALTH] + after[i, SHIELD]
        if i < allies:
            damage_taken += points
        else:
            damage_dealt += points
        if after[i, HEALTH] <= 0.0:
            counted[i] = True
            if i < allies:
                deaths_taken += o.reward_death_value
            else:
                deaths_dealt += o.reward_death_value
    if o.reward_only_positive:
        reward = abs(damage_dealt + deaths_dealt)
    else:
        reward = damage_dealt + deaths_dealt - o.reward_negative_scale * (damage_taken + deaths_taken)

    fighters, healers, foes, foe_healers = 0, 0, 0, 0
    for i in range(n):
        if after[i, HEALTH] > 0.0:
            if i < allies:
                fighters += 0 if r.unit[i].heals else 1
                healers += 1 if r.unit[i].heals else 0
            else:
                foes += 1
                foe_healers += 1 if r.unit[i].heals else 0
    end = GOES_ON
    if (fighters + healers == 0 and foes > 0) or (r.healer_rules and fighters == 0):
        end = LOST
    elif fighters + healers > 0 and (foes == 0 or (r.healer_rules and foes == 1 and foe_healers == 1)):
        end = WON
    elif fighters + healers == 0:
        end = DRAW
    elif step >= r.episode_limit:
        end = TIME_OUT

    if o.reward_sparse:
        reward = 1.0 if end == WON else -1.0 if end == LOST else 0.0
    elif end == WON:
        reward += o.reward_win
    elif end == LOST:
        reward += o.reward_defeat
    if o.reward_scale:
        most = r.enemy_points + (n - allies) * o.reward_death_value + o.reward_win
        reward /= most / o.reward_scale_rate
    return reward, end
