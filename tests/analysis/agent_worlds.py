"""Simulated studies in which agents alternate, advance, wait or follow their roles, or do not; each draws a table."""

from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.measures import behaviour, influence, nulls, roles
from analysis.measures.measurements import chance_of
from tests.analysis.summaries import STEPS
from tests.analysis.worlds import ABLATIONS, EPISODES, MARINES, NETWORKS, SEEDS, ZERG, row, several
from tests.milestones import milestone

# ---- Alternating fire, and the healthiest agent


def fire(phases):
    """Simulate agents that fire every other decision, each with its own phase, with 30 % of decisions flipped."""

    def of_run(rng):
        lengths = (30,) * EPISODES
        plain = milestone(agents=10, enemies=1, lengths=lengths)
        for start in plain.starts:
            attacking = (np.arange(30)[:, None] + phases(rng)) % 2 == 0
            attacking ^= rng.random((30, 10)) < 0.3
            plain.actions[start : start + 30] = np.where(attacking, 6, 3)
        found = behaviour.of_behaviour(plain, MARINES, "10m_vs_11m")
        return found["fire_alternation"], behaviour.shifted_fire(plain, rng)["fire_alternation"]

    def rows(rng):
        runs = np.array(several(SEEDS, lambda: of_run(rng)))
        cell, measure = "10m_vs_11m/roma", "fire_alternation"
        return [
            row(cell, measure, runs[:, 0]),
            row(cell, measure, runs[:, 1], "shifted"),
            row(cell, measure, rng.normal(0.005, 0.003, NETWORKS), "untrained", 0),
            row("10m_vs_11m/roma_td", measure, rng.normal(0.02, 0.005, SEEDS)),
        ]

    return rows


def outermost(share, measure="healthiest_rank", cell="10m_vs_11m/roma"):
    """Simulate an agent whose role is the outermost one in this share of moments, and a random one in the others."""

    def of_run(rng, share):
        moments = 40
        features, who = rng.normal(size=(moments, 10, 3)), rng.integers(10, size=moments)
        out = rng.random(moments) < share
        features[out, who[out]] *= 20
        alive = rng.random((moments, 10)) < 0.7
        alive[np.arange(moments), who] = True
        return np.nanmean(roles.outermost(features, alive, who))

    def rows(rng):
        return [
            row(cell, measure, several(SEEDS, lambda: of_run(rng, share))),
            *(
                row(cell, measure, several(SEEDS, lambda: of_run(rng, 0)), reference)
                for reference in ("projected", "principal")
            ),
            row(cell, measure, several(NETWORKS, lambda: of_run(rng, 0)), "untrained", 0),
            row("10m_vs_11m/roma_td", measure, several(SEEDS, lambda: of_run(rng, 0))),
        ]

    return rows


def forward(advance, retreat):
    """Simulate a healthiest agent that advances while the others retreat, in map units per decision."""

    def of_run(rng):
        plain = milestone(agents=10, enemies=2, lengths=(40,) * 4)
        best = rng.integers(10)
        plain.units[:, best, 2] = 150
        step = rng.normal(-retreat, 0.5, (len(plain.units), 10))
        step[:, best] = rng.normal(advance, 0.5, len(plain.units))
        plain.units[:, :10, 0] = np.cumsum(step, 0)
        plain.units[:, 10:, 0] = 1000
        return behaviour.of_behaviour(plain, MARINES, "10m_vs_11m")

    def rows(rng):
        runs = pd.DataFrame(several(SEEDS, lambda: of_run(rng)))
        return [row("10m_vs_11m/roma", name, runs[name]) for name in ("healthiest_advance", "others_retreat")]

    return rows


def outcomes(chance):
    """Simulate episodes in which Zealots die one by one with this probability."""

    def rows(rng):
        cell, measure = "6s4z_vs_10b30z/roma", "zealots_one_by_one"
        battles = rng.random((SEEDS, 8)) < chance
        within = np.mean([chance_of(pd.Series(run.astype(float))) for run in battles])
        return [
            row(cell, measure, battles.mean(1), chance=within),
            row(cell, measure, rng.uniform(0, 0.2, NETWORKS), "untrained", 0),
        ]

    return rows


# ---- Whether roles matter


def acting(rng, effect, spread=0.1):
    """Simulate a run whose roles decide the action in this share of moments; a share `spread` of draws is random."""
    plain = milestone(agents=6, enemies=1, lengths=(30,) * 4, draws=6)
    shape = plain.resampled.shape
    heeds = rng.random(shape[0])[:, None, None] < effect
    asked = rng.permutation([2, 2, 2, 3, 3, 3])  # by each agent's role
    here = rng.integers(2, 8, shape[:2])[..., None]  # by the history
    lender = (np.arange(6)[:, None] + rng.integers(1, 6, shape)) % 6
    drawn = [
        np.where(rng.random(shape) < spread, rng.integers(2, 8, shape), np.where(heeds, role, here))
        for role in (asked[:, None], asked[lender])
    ]
    plain.role_mean[..., 0], plain.role_mean[..., 1:] = asked, 0.3 * plain.role_mean[..., 1:]
    own, lent = (each.astype(np.int8) for each in drawn)
    return replace(plain, resampled=own, exchanged=lent, lender=lender.astype(np.int8))


def mattering(effect, of_untrained=0.0):
    """Simulate roles that decide one share of actions after training, and another without training or role losses."""

    def changes(rng, effect):
        found = influence.of_influence(acting(rng, effect), MARINES[:6])
        return found["changed_by_exchange"], found["changed_by_resampling"]

    def rows(rng):
        listed = []
        for name in ABLATIONS:
            for arm, number, reference, stage, share in (
                ("roma", SEEDS, "roles", STEPS, effect),
                ("roma", NETWORKS // 4, "untrained", 0, of_untrained),
                ("roma_td", SEEDS, "roles", STEPS, of_untrained),
            ):
                found = np.array(several(number, lambda share=share: changes(rng, share)))
                for place, measure in enumerate(("changed_by_exchange", "changed_by_resampling")):
                    listed.append(row(f"{name}/{arm}", measure, found[:, place], reference, stage))
        return listed

    return rows


def alike(effect):
    """Simulate roles that decide this share of actions, and that are similar if they demand the same action."""

    def correlations(run, **seen):
        apart = influence.action_distance(run)
        return {name: influence.behaviour_correlation(run, features, apart) for name, features in seen.items()}

    def of_run(rng):
        run = acting(rng, effect)
        obs = rng.normal(size=(len(run.units), 6, 8))
        principal = nulls.principal(obs, np.ones(obs.shape[:2], bool))
        return correlations(run, roles=run.role_mean, projected=nulls.projected(obs, rng), principal=principal)

    def of_other(rng):
        run = acting(rng, 0)
        return correlations(run, roles=run.role_mean)["roles"]

    def rows(rng):
        listed, measure = [], "behaviour_correlation"
        for name in ABLATIONS:
            runs = pd.DataFrame(several(SEEDS, lambda: of_run(rng)))
            others = several(2 * SEEDS, lambda: of_other(rng))
            listed += [row(f"{name}/roma", measure, runs[each], each) for each in runs]
            listed.append(row(f"{name}/roma", measure, others[:SEEDS], "untrained", 0))
            listed.append(row(f"{name}/roma_td", measure, others[SEEDS:]))
        return listed

    return rows


def shares(signal):
    """Simulate roles whose means vary with this standard deviation, while draws vary around them with deviation 1."""

    def of_run(rng):
        plain = milestone(agents=6, lengths=(30,) * 4)
        plain.role_mean[:] = signal * rng.normal(size=plain.role_mean.shape)
        return influence.of_influence(plain, MARINES[:6])["mean_share"]

    return lambda rng: [row(f"{name}/roma", "mean_share", several(SEEDS, lambda: of_run(rng))) for name in ABLATIONS]


def lost(mean):
    """Simulate the loss of return over 32 episodes with shuffled roles: this mean, and a deviation of 4 per episode."""
    return lambda rng: [
        row(f"{name}/roma", "return_lost", rng.normal(mean, 4, (SEEDS, 32)).mean(1)) for name in ABLATIONS
    ]


def contact(in_range):
    """Simulate agents with an enemy in range at the first hit with this probability, and untrained ones with 1/3."""

    def of_run(rng, chance):
        plain = milestone(agents=10, enemies=1, lengths=(10,) * EPISODES)
        plain.units[:, :10, :2], plain.units[:, 10, :2] = 0, (100, 0)
        for start in plain.starts:
            plain.units[start + 5 : start + 11, 10, 2] -= 10
            plain.units[start + 5, :10, 0] = np.where(rng.random(10) < chance, 95, 80)
        return behaviour.of_behaviour(plain, MARINES, "10m_vs_11m")["agents_in_range"]

    def rows(rng):
        cell, measure = "10m_vs_11m/roma", "agents_in_range"
        return [
            row(cell, measure, several(SEEDS, lambda: of_run(rng, in_range))),
            row(cell, measure, several(NETWORKS, lambda: of_run(rng, 1 / 3)), "untrained", 0),
            row("10m_vs_11m/roma_td", measure, several(SEEDS, lambda: of_run(rng, 1 / 3))),
        ]

    return rows


def waiting(farther):
    """Simulate Zerglings 6 to 9 that stand farther back than 4 and 5 at the first explosion, with deviation 2."""

    def of_run(rng, farther):
        plain = milestone(agents=10, enemies=1, lengths=(10,) * EPISODES)
        plain.units[..., 1] = 0
        for start in plain.starts:
            plain.units[start : start + 6, :10, 0] = 20 - farther * (np.arange(10) > 5) + rng.normal(0, 2, 10)
            plain.units[start + 6 : start + 11, 0, 2] = 0
        return behaviour.of_behaviour(plain, ZERG, "6z4b")["zerglings_wait"]

    def rows(rng):
        cell, measure = "6z4b/roma", "zerglings_wait"
        return [
            row(cell, measure, several(SEEDS, lambda: of_run(rng, farther))),
            row(cell, measure, several(NETWORKS, lambda: of_run(rng, 0)), "untrained", 0),
        ]

    return rows
