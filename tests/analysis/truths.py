"""Studies made up so that the right verdict on a claim is known: how often the machinery gives it.

    python -m tests.analysis.truths --draws 1000

Each truth draws five seeds of runs and what their nulls need. Whatever a measure is of, it is measured on made-up
episodes by the code that measures runs; what no code of ours computes (a return, a win rate) is drawn as a number.
"""

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.claims import entries, verdicts
from analysis.claims.evidence import Evidence
from tests.analysis.agent_worlds import (
    alike,
    contact,
    fire,
    forward,
    lost,
    mattering,
    outcomes,
    outermost,
    shares,
    waiting,
)
from tests.analysis.role_worlds import at_first, courses, following, groups, health, of_network, positions, still, told
from tests.analysis.summaries import tables_of
from tests.analysis.worlds import COURSE, SEEDS


@dataclass(frozen=True)
class Truth:
    """Claim in a simulated world: the correct verdict, and a function that draws the table of roles of a study."""

    name: str
    claim: str
    right: str | None  # None: on the boundary, so that no verdict is correct
    rows: Callable[[np.random.Generator], list]
    false: tuple[str, ...] = (verdicts.REPRODUCED, verdicts.CONTRADICTED)  # without a right one; on the edge both are


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


def verdict(truth, rng):
    """Return the verdict on the claim of a truth, judged alone, in one simulated study."""
    rows = truth.rows(rng)
    roles = [row for row in rows if row[0] != "tests"]
    tables = tables_of(dict.fromkeys((cell for cell, *_ in roles), [0.5] * SEEDS), roles)
    for _, won in (row for row in rows if row[0] == "tests"):
        curves = tables["curves"].query("step == 0")
        tables["curves"] = pd.concat(
            curves.assign(step=int(step), test_battle_won_mean=won[curves["seed"], place])
            for place, step in enumerate(COURSE)
        )
    return verdicts.judge([CLAIMS[truth.claim]], Evidence("simulated", tables), {})[0].verdict


def shares_of(truth, draws, seed=0):
    """Return the frequency of each verdict over simulated studies."""
    found = Counter()
    for number in range(draws):
        found[verdict(truth, np.random.default_rng([seed, number, *map(ord, truth.name)]))] += 1 / draws
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
