"""Studies made up so that the right verdict on a claim is known: how often the machinery gives it.

    python -m tests.analysis.truths --draws 1000

Each truth draws five seeds of runs and what their nulls need. Whatever a measure is of, it is measured on made-up
episodes by the code that measures runs; what no code of ours computes (a return, a win rate) is drawn as a number.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import behaviour, influence, measures, nulls, probes, roles
from analysis.claims import entries, verdicts
from analysis.evidence import Evidence
from analysis.measurements import chance_of
from tests.analysis.summaries import STEPS, write_summary
from tests.milestones import milestone

SEEDS, NETWORKS, EPISODES = 5, 20, 16
MARINES = ["Marine"] * 10
ZERG = ["Baneling"] * 4 + ["Zergling"] * 6
ABLATIONS = ("MMM2", "10z5b_vs_2s3z", "10m_vs_11m")
COURSE = (np.array([0, 0.2, 0.5, 1, 2, 3, 4, 6, 8, 10]) * STEPS / 10).astype(int)  # milestones


@dataclass(frozen=True)
class Truth:
    """A claim in a world that is known: the verdict that is right, and the table of roles that a study finds there."""

    name: str
    claim: str
    right: str | None  # None: on the edge, so that no verdict is right
    rows: Callable[[np.random.Generator], list]
    false: tuple[str, ...] = (verdicts.REPRODUCED, verdicts.CONTRADICTED)  # without a right one; on the edge both are


def row(cell, measure, values, reference="roles", stage=STEPS, chance=np.nan):
    return cell, measure, stage, reference, np.asarray(values, float), chance


def several(number, draw):
    """A value of each of so many seeds or networks."""
    return [draw() for _ in range(number)]


# ---- 1: roles that follow positions


def first_decisions(rng, features_of, agents=27):
    """The rank correlation with positions at the first decision, and that of permuted features."""
    position = rng.uniform(-1, 1, (EPISODES, agents, 2))
    features, counted = features_of(position), np.ones((EPISODES, agents), bool)
    return [
        float(np.mean(roles.rank_correlation(roles.distances(each), roles.distances(position), counted)))
        for each in (features, nulls.permuted(features, counted, rng))
    ]


def following(rng, noise):
    """Features in which positions stand beside noise of this deviation."""
    return lambda position: np.pad(position, ((0, 0), (0, 0), (0, 1))) + rng.normal(0, noise, (*position.shape[:2], 3))


def of_network(rng):
    """Features of an untrained network: a random map of positions and of other things that differ."""

    def features(position):
        others = rng.uniform(-1, 1, (*position.shape[:2], 3)) * rng.uniform(0.3, 1.2)
        return np.concatenate([position, others], -1) @ rng.standard_normal((5, 3))

    return features


def positions(trained):
    def rows(rng):
        found = np.array(several(SEEDS, lambda: first_decisions(rng, trained(rng))))
        untrained = several(NETWORKS, lambda: first_decisions(rng, of_network(rng))[0])
        cell, measure = "27m_vs_30m/roma", "position_correlation_first"
        return [
            row(cell, measure, found[:, 0]),
            row(cell, measure, found[:, 1], "permuted"),
            row(cell, measure, untrained, "untrained", 0),
        ]

    return rows


def health(follows):
    """Late roles that follow health or not; three dimensions of the observation tell a little of it."""

    def of_run(rng):
        share = rng.uniform(0.2, 1, (EPISODES, 10))
        gap = np.abs(share[:, :, None] - share[:, None])
        counted = np.ones(share.shape, bool)
        observation = np.concatenate([share[..., None], rng.uniform(0, 1, (EPISODES, 10, 9))], -1)
        seen = {
            "roles": np.stack([follows * share, *rng.normal(0, 0.16, (2, *share.shape))], -1),
            "projected": nulls.projected(observation, rng),
            "principal": nulls.principal(observation, counted),
        }
        return {name: roles.rank_correlation(roles.distances(f), gap, counted).mean() for name, f in seen.items()}

    def rows(rng):
        runs = pd.DataFrame(several(SEEDS, lambda: of_run(rng)))
        cell, measure = "10m_vs_11m/roma", "health_correlation_late"
        return [
            *(row(cell, measure, runs[name], name) for name in runs),
            row(cell, measure, rng.normal(0.06, 0.09, NETWORKS), "untrained", 0),
            row("10m_vs_11m/roma_td", measure, rng.normal(0.08, 0.06, SEEDS)),
        ]

    return rows


# ---- 2: the more sorted, the more is won, given the step


def courses(partial):
    """Both rise with the training, each in its own way; beyond it they are correlated so much."""

    def rows(rng):
        cell, measure = "MMM2/roma", "silhouette_type_first"
        sorted_by, won = 1 / (1 + np.exp(4 - COURSE / 2e5)), 1 / (1 + np.exp(5 - COURSE / 2e5))
        noise = rng.multivariate_normal([0, 0], [[1, partial], [partial, 1]], (SEEDS, len(COURSE)))
        sides = [part + 0.1 * noise[..., side] for side, part in enumerate((sorted_by, won))]
        return [
            *(row(cell, measure, sides[0][:, place], stage=step) for place, step in enumerate(COURSE)),
            ("tests", sides[1]),
        ]

    return rows


# ---- 3: two groups that behave differently


def groups(apart, behaving):
    """Roles in two heaps so far apart, or in one; attacks so many pooled deviations apart.

    A share of 8 decisions has a deviation of 0.18 by chance, and with the agents' own of 0.15 one of 0.23.
    """

    def of_run(rng):
        lengths = (12,) * 32
        plain = milestone(agents=10, enemies=2, lengths=lengths)
        half = rng.permuted(np.tile([0, 0, 0, 0, 1, 1, 1, 1, 1, 1], (32, 1)), axis=1)
        heaps = rng.normal(0, 1, (32, 10, 3)) + apart * half[..., None] / np.sqrt(3)
        attack = 0.5 + rng.normal(0, 0.15, half.shape) + behaving * 0.23 * (half - 0.5)
        for number, start in enumerate(plain.starts):
            plain.role_mean[start] = heaps[number]
            attacking = rng.random((12, 10)) < attack[number]
            plain.actions[start : start + 12] = np.where(attacking, 6, 1)
            plain.units[start + 1 : start + 13, 0, 2] = 0  # the first explosion
            plain.actions[start + 1 : start + 12, 0] = 0
        found = measures.of_features(plain, ZERG, "6z4b", plain.role_mean)
        return found, behaviour.structureless_groups(plain, ZERG, rng)

    def rows(rng):
        runs = several(SEEDS, lambda: of_run(rng))
        names = ("group_silhouette", "group_difference")
        return [
            row("6z4b/roma", name, [run[place][name] for run in runs], reference)
            for name in names
            for place, reference in enumerate(("roles", "structureless"))
        ]

    return rows


# ---- 4: fire, and the healthiest agent


def fire(phases):
    """Agents that fire every other decision, each from its phase on, with 30 % of decisions otherwise."""

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
    """One agent whose role is the outermost in this share of moments, and in the others like any other's."""

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
    """The healthiest agent comes so far forward within a decision, the others go back so far; map units."""

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
    """Battles in which Zealots die one by one with this probability."""

    def rows(rng):
        cell, measure = "6s4z_vs_10b30z/roma", "zealots_one_by_one"
        battles = rng.random((SEEDS, 8)) < chance
        within = np.mean([chance_of(pd.Series(run.astype(float))) for run in battles])
        return [
            row(cell, measure, battles.mean(1), chance=within),
            row(cell, measure, rng.uniform(0, 0.2, NETWORKS), "untrained", 0),
        ]

    return rows


# ---- 5: twenty untrained networks a run


def at_first(mean, deviation):
    """Untrained networks of five runs with this silhouette by unit type."""
    return lambda rng: [
        row("MMM2/roma", "silhouette_type_first", rng.normal(0.8, 0.1, SEEDS)),
        row("MMM2/roma", "silhouette_type_first", rng.normal(mean, deviation, SEEDS * NETWORKS), "untrained", 0),
    ]


# ---- 6: whether roles matter


def acting(rng, effect, spread=0.1):
    """A run of agents whose role, one of two, decides at this share of moments; of all draws, so many are chance."""
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
    """Roles that decide this share of actions once trained, and so much without training or role losses."""

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
    """Roles of which those that decide this share of actions are near where they ask for the same."""

    def of_run(rng, effect):
        run = acting(rng, effect)
        apart, obs = influence.action_distance(run), rng.normal(size=(len(run.units), 6, 8))
        seen = {"roles": run.role_mean, "projected": nulls.projected(obs, rng)}
        seen["principal"] = nulls.principal(obs, np.ones(obs.shape[:2], bool))
        return {name: influence.behaviour_correlation(run, features, apart) for name, features in seen.items()}

    def rows(rng):
        listed, measure = [], "behaviour_correlation"
        for name in ABLATIONS:
            runs = pd.DataFrame(several(SEEDS, lambda: of_run(rng, effect)))
            others = pd.DataFrame(several(2 * SEEDS, lambda: of_run(rng, 0)))["roles"]
            listed += [row(f"{name}/roma", measure, runs[each], each) for each in runs]
            listed.append(row(f"{name}/roma", measure, others[:SEEDS], "untrained", 0))
            listed.append(row(f"{name}/roma_td", measure, others[SEEDS:]))
        return listed

    return rows


def shares(signal):
    """Roles whose means vary with this deviation about which a draw varies with deviation 1."""

    def of_run(rng):
        plain = milestone(agents=6, lengths=(30,) * 4)
        plain.role_mean[:] = signal * rng.normal(size=plain.role_mean.shape)
        return influence.of_influence(plain, MARINES[:6])["mean_share"]

    return lambda rng: [row(f"{name}/roma", "mean_share", several(SEEDS, lambda: of_run(rng))) for name in ABLATIONS]


def lost(mean):
    """Returns of 32 battles that shuffled roles lower by so much, of deviation 4 a battle."""
    return lambda rng: [
        row(f"{name}/roma", "return_lost", rng.normal(mean, 4, (SEEDS, 32)).mean(1)) for name in ABLATIONS
    ]


# ---- Roles in time, and what the past says of them


def told(ratio):
    """Roles of which the past tells so much: signal over noise, in each of three dimensions."""

    def of_run(rng, ratio):
        past = rng.normal(size=(300, 16))
        role = np.sqrt(ratio) * past[:, :3] + rng.normal(size=(300, 3))
        return probes.information(past, role, np.arange(300) % 3, np.arange(300) >= 150)

    def rows(rng):
        cell, measure = "MMM2/roma", "role_information"
        return [
            row(cell, measure, several(SEEDS, lambda: of_run(rng, ratio))),
            row(cell, measure, several(NETWORKS, lambda: of_run(rng, 0.05)), "untrained", 0),
            row("MMM2/roma_td", measure, several(SEEDS, lambda: of_run(rng, 0.05))),
        ]

    return rows


def still(memory):
    """Roles that keep this share of what they were with L_I, and 0.7 without."""

    def of_run(rng, memory):
        plain = milestone(agents=6, lengths=(30,) * 4)
        steps = np.sqrt(1 - memory**2) * rng.normal(size=plain.role_mean.shape)
        for moment in range(1, len(steps)):
            steps[moment] += memory * steps[moment - 1]
        return roles.stability(steps, plain.alive[:, :6], plain.episode)

    return lambda rng: [
        row(f"{name}/{arm}", "stability", several(SEEDS, lambda kept=kept: of_run(rng, kept)))
        for name in ABLATIONS
        for arm, kept in (("roma", memory), ("roma_td_ld", 0.7))
    ]


def contact(in_range):
    """Agents of which each has an enemy in range at the first hit with this probability; a third untrained."""

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
    """Zerglings 6 to 9 that stand so much farther back at the first explosion than 4 and 5, with deviation 2."""

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


CLAIMS = {claim.id: claim for claim in entries.load()}
REPRODUCED, CONTRADICTED = verdicts.REPRODUCED, verdicts.CONTRADICTED
AS_PAPER = positions(lambda rng: following(rng, rng.normal(0.3, 0.04)))  # rho 0.7, deviation 0.06
TRUTHS = [
    Truth("roles follow positions, rho 0.7", "position_first_in_large_team", REPRODUCED, AS_PAPER),
    Truth("roles are an untrained network's", "position_first_in_large_team", None, positions(of_network)),
    Truth("roles follow health", "health_later", REPRODUCED, health(1)),
    Truth("roles do not follow health", "health_later", None, health(0), (REPRODUCED,)),
    Truth("partial correlation 0.7", "types_with_win_rate", REPRODUCED, courses(0.7)),
    Truth("partial correlation -0.7", "types_with_win_rate", CONTRADICTED, courses(-0.7)),
    Truth("independent given the step", "types_with_win_rate", None, courses(0)),
    Truth("two groups, one deviation apart in what they do", "two_groups_before_explosion", REPRODUCED, groups(5, 1)),
    Truth("two groups that do the same", "two_groups_before_explosion", None, groups(5, 0)),
    Truth("structureless roles", "two_groups_before_explosion", None, groups(0, 0)),
    Truth("anti-phase fire", "alternating_fire", REPRODUCED, fire(lambda rng: np.arange(10) % 2)),
    Truth("fire of independent rhythms", "alternating_fire", None, fire(lambda rng: rng.integers(2, size=10))),
    Truth("fire in phase", "alternating_fire", CONTRADICTED, fire(lambda rng: np.zeros(10, int))),
    Truth("healthiest outermost in 80 %", "healthiest_apart", REPRODUCED, outermost(0.8)),
    Truth("healthiest like any other", "healthiest_apart", None, outermost(0)),
    Truth("healthiest forward, others back", "healthiest_forward", REPRODUCED, forward(0.15, 0.1)),
    Truth("healthiest forward, others still", "healthiest_forward", None, forward(0.15, 0)),
    Truth("one by one in nine of ten", "zealots_one_by_one", REPRODUCED, outcomes(0.9)),
    Truth("one by one in every other", "zealots_one_by_one", None, outcomes(0.5)),
    Truth("untrained networks sort by type", "untrained_roles_mean_nothing", CONTRADICTED, at_first(0.43, 0.27)),
    Truth("untrained networks do not", "untrained_roles_mean_nothing", REPRODUCED, at_first(0.05, 0.2)),
    Truth("untrained networks at the threshold", "untrained_roles_mean_nothing", None, at_first(0.25, 0.27)),
    Truth("roles decide 10 % of actions", "roles_matter", REPRODUCED, mattering(0.1)),
    Truth("roles decide nothing", "roles_matter", None, mattering(0)),
    Truth("training makes roles decide 10 %", "exchange_matters_by_training", REPRODUCED, mattering(0.1)),
    Truth("roles decide 10 % untrained too", "exchange_matters_by_training", None, mattering(0.1, 0.1)),
    Truth("similar roles act alike in 10 %", "similar_roles_similar_behaviour", REPRODUCED, alike(0.1)),
    Truth("roles and actions are strangers", "similar_roles_similar_behaviour", None, alike(0)),
    Truth("means outweigh chance", "means_outweigh_chance", REPRODUCED, shares(1.2)),
    Truth("chance outweighs means", "means_outweigh_chance", CONTRADICTED, shares(0.3)),
    Truth("shuffling costs one of 20", "shuffled_roles_cost_return", REPRODUCED, lost(1)),
    Truth("shuffling costs nothing", "shuffled_roles_cost_return", None, lost(0)),
    Truth("the past tells of the role", "identifiable", REPRODUCED, told(0.5)),
    Truth("no more than untrained", "identifiable", None, told(0.05)),
    Truth("L_I holds roles still", "identifiability_holds_roles_still", REPRODUCED, still(0.8)),
    Truth("L_I changes nothing", "identifiability_holds_roles_still", None, still(0.7)),
    Truth("seven of ten in range", "offensive_arc", REPRODUCED, contact(0.7)),
    Truth("half of them in range", "offensive_arc", None, contact(0.5)),
    Truth("Zerglings wait two units back", "zerglings_wait", REPRODUCED, waiting(2)),
    Truth("Zerglings stand anywhere", "zerglings_wait", None, waiting(0)),
]  # fmt: skip


def verdict(truth, rng, folder):
    """The verdict on a truth's claim, judged alone, of one study there."""
    rows = truth.rows(rng)
    cells = dict.fromkeys(row[0] for row in rows if row[0] != "tests")
    summary = write_summary(
        folder / "summary", {cell: [0.5] * SEEDS for cell in cells}, [each for each in rows if each[0] != "tests"]
    )
    for _, won in (each for each in rows if each[0] == "tests"):
        curves = pd.read_parquet(summary / "curves.parquet").query("step == 0")
        parts = [
            curves.assign(step=int(step), test_battle_won_mean=won[curves["seed"], place])
            for place, step in enumerate(COURSE)
        ]
        pd.concat(parts).to_parquet(summary / "curves.parquet")
    claim = CLAIMS[truth.claim]
    return verdicts.judge([claim], Evidence(summary), {})[0].verdict


def shares_of(truth, draws, seed=0):
    """How often each verdict comes out of so many studies."""
    found = Counter()
    for number in range(draws):
        rng = np.random.default_rng([seed, number, *map(ord, truth.name)])
        with tempfile.TemporaryDirectory() as folder:
            found[verdict(truth, rng, Path(folder))] += 1 / draws
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--only", default="", help="of the claim's name")
    options = parser.parse_args()
    for truth in TRUTHS:
        if options.only in truth.claim:
            found = shares_of(truth, options.draws)
            said = ", ".join(f"{name} {share:.3f}" for name, share in sorted(found.items()))
            print(f"{truth.claim}: {truth.name} (right: {truth.right or 'undecided'}): {said}", flush=True)


if __name__ == "__main__":
    main()
