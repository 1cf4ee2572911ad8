"""How often verdicts are right and wrong: whole studies, simulated in worlds whose truth is known, and judged.

A seed's final win rate is its arm's level and a normal deviation, kept within 0 and 1, of which 256 battles are seen;
a collapsed seed wins nothing. The area under its curve is a share of it. Worlds say which arms move with the lead.
What is claimed of roles is simulated claim by claim: the value lies the lead beyond its threshold and beyond each null,
a collapsed seed at the null. A study is judged by the same contrasts, bounds and Holm's procedure as the real one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np
from scipy.special import ndtri

from analysis.claims.entries import HEADLINE, Claim, Part, Term
from analysis.claims.findings import HIGHEST, LOWEST, sides
from analysis.claims.verdicts import decide
from analysis.evidence import AREA, FINAL, OF_TESTS, UNSTEADINESS
from analysis.inference import Estimate, Moments, binomial_variance, contrast, moments
from analysis.statistics import Floats, student_interval
from roma.support.numbers import ordered_sum

BATTLES_OF = {FINAL: 256, AREA: 10_000}  # behind a win rate
LAST_TESTS = 25  # in the last tenth of a run of 5 million steps under the paper's protocol
AREA_SHARE = 0.6  # area under the curve as a share of final performance
LEVEL, LOWER = 0.4, 0.3  # win rates of QMIX, and of the baselines below it
LOW_ARMS = ("iql", "coma", "qtran")
SCATTER = 0.1  # deviation between the policies at the end of a run
MANY_AGENTS = ("10z5b_vs_2s3z", "MMM2", "27m_vs_30m", "10m_vs_11m")
EDGE = 1e-9  # what is nearer to an edge lies on it
QUANTILES = ndtri((np.arange(4000) + 0.5) / 4000)


@dataclass(frozen=True)
class World:
    """Which arms move with the lead, by how much of it, and on which maps ROMA does; others stay at QMIX's level."""

    moved: Mapping[str, float]
    maps: tuple[str, ...] | None = None  # None: all
    lower: tuple[str, ...] = LOW_ARMS
    less_steady: Mapping[str, float] = field(default_factory=dict)


# The first is the paper's, where the lead is the size of all that it states; in the others parts of it are not so.
WORLDS = {
    "as stated": World(
        {"roma": 1, "maven": -1, "maven_release": -1, "roma_td": -1, "roma_td_li": -1, "qmix_nps": -1},
        less_steady={"roma_td_ld": 1},
    ),
    "many agents": World({"roma": 1}, MANY_AGENTS),
    "most agents": World({"roma": 1}, ("10z5b_vs_2s3z",)),
    "ROMA alone": World({"roma": 1}, lower=()),
    "otherwise": World(
        {"roma": 1, "maven": 1, "maven_release": 1, "roma_td": 1, "roma_td_ld": -1, "qmix_nps": 1, "qmix_lar": 1},
        less_steady={"roma": 1},
    ),
}


@dataclass(frozen=True)
class Point:
    """A truth and a size of the study."""

    world: str
    lead: float  # of ROMA over QMIX, in win rate
    deviation: float  # between seeds, in win rate
    collapsed: float  # share of seeds, of every arm
    seeds: int
    only: str = ""  # the one arm whose seeds collapse; empty: all


@dataclass(frozen=True)
class Rates:
    """Of simulated studies: how often a claim was decided, and whether it is true."""

    claim: str
    question: str
    true: bool
    reproduced: float
    contradicted: float

    @property
    def power(self) -> float:
        """Of right verdicts."""
        return self.reproduced if self.true else self.contradicted

    @property
    def false(self) -> float:
        """Of wrong verdicts."""
        return self.contradicted if self.true else self.reproduced


class WinRates:
    """What tests say of simulated runs at a point, and what is true of them, by (map, arm)."""

    def __init__(self, point: Point, draws: int, rng: np.random.Generator) -> None:
        self.point, self.world = point, WORLDS[point.world]
        self._shape = (draws, point.seeds)
        self._rng = rng
        self._skills: dict[tuple[str, str], Floats] = {}
        self._moments: dict[tuple[str, str, str], Moments] = {}

    def level(self, map_name: str, arm: str) -> float:
        """Return the win rate around which an arm's seeds lie that do not collapse."""
        level = LOWER if arm in self.world.lower else LEVEL
        here = arm != HEADLINE or self.world.maps is None or map_name in self.world.maps
        return level + self.world.moved.get(arm, 0) * self.point.lead * here

    def moments(self, map_name: str, arm: str, measure: str) -> Moments:
        """Return the moments (draws,) of a measure of a cell's runs, whose battles play a part of it by chance."""
        key = map_name, arm, measure
        if key not in self._moments:
            seen = self.seen(*key)
            within = binomial_variance(seen, BATTLES_OF[measure]) if measure in BATTLES_OF else 0.0
            self._moments[key] = moments(seen, within)
        return self._moments[key]

    def seen(self, map_name: str, arm: str, measure: str) -> Floats:
        """Return a measure of every run of a cell, (draws, seeds), drawn anew but for how well the runs play."""
        if measure == UNSTEADINESS:
            deviations = self._scatter(arm, self._rng.standard_normal(self._shape))
            return deviations**2 * self._rng.chisquare(LAST_TESTS - 1, self._shape) / (LAST_TESTS - 1)
        if measure not in (AREA, FINAL):
            raise ValueError(f"{measure} is not simulated")
        skill = self._skill(map_name, arm)
        if measure == AREA:
            return AREA_SHARE * skill
        return np.asarray(self._rng.binomial(BATTLES_OF[FINAL], skill) / BATTLES_OF[FINAL])

    def _skill(self, map_name: str, arm: str) -> Floats:
        """Return the true win rate (draws, seeds) of the runs of a cell."""
        cell = map_name, arm
        if cell not in self._skills:
            level = self.level(*cell) + self.point.deviation * self._rng.standard_normal(self._shape)
            collapsed = self._rng.uniform(size=self._shape) < self._collapsed(arm)
            self._skills[cell] = np.where(collapsed, 0.0, np.clip(level, 0, 1))
        return self._skills[cell]

    def _collapsed(self, arm: str) -> float:
        return self.point.collapsed if self.point.only in ("", arm) else 0.0

    def _scatter(self, arm: str, deviations: Floats) -> Floats:
        """Return how much the policies at the end of runs scatter, for normal deviations of the runs."""
        middle = SCATTER + self.world.less_steady.get(arm, 0) * self.point.lead / 2
        return np.maximum(middle + self.point.deviation / 4 * deviations, 0)

    def truth(self, map_name: str, arm: str, measure: str) -> float:
        """Return the mean of a measure over all seeds that there could be."""
        if measure == UNSTEADINESS:
            return float(np.mean(self._scatter(arm, QUANTILES) ** 2))
        skill = np.clip(self.level(map_name, arm) + self.point.deviation * QUANTILES, 0, 1)
        return float(np.mean(skill)) * (AREA_SHARE if measure == AREA else 1) * (1 - self._collapsed(arm))


def simulate(claims: Sequence[Claim], point: Point, draws: int, rng: np.random.Generator) -> list[Rates]:
    """Return the rates of each claim's verdicts, of those that get one for the headline, and of each family.

    A family's row has no claim, and in `reproduced` how often any of its verdicts was false.

    Args:
        claims: The whole list.
        point: The truth, and the number of seeds.
        draws: How many studies.
        rng: The source of randomness.
    """
    judged = [claim for claim in claims if claim.parts and not claim.estimate and HEADLINE not in claim.settled]
    found: list[Rates] = []
    wins = WinRates(point, draws, rng)
    for question, members in groupby(sorted(judged, key=lambda claim: claim.question), lambda claim: claim.question):
        family = list(members)
        studies = [
            _of_tests(claim, wins) if on_tests(claim) else _of_roles(claim, point, draws, rng) for claim in family
        ]
        decisions = decide([(inside, outside) for inside, outside, _ in studies])
        truths = [true for *_, true in studies]
        wrong = np.where(np.array(truths)[:, None], decisions.contradicted, decisions.reproduced)
        for claim, true, *decided in zip(family, truths, decisions.reproduced, decisions.contradicted, strict=True):
            found.append(Rates(claim.id, question, true, *(float(np.mean(each)) for each in decided)))
        found.append(Rates("", question, False, float(np.mean(wrong.any(axis=0))), 0.0))
    return found


def on_tests(claim: Claim) -> bool:
    """Return whether a claim is on measures of tests, and not of roles."""
    measures = {term.measure for part in claim.parts for term in part.terms}
    return bool(measures) and measures <= set(OF_TESTS)


def _of_tests(claim: Claim, wins: WinRates) -> tuple[Floats, Floats, bool]:
    """Return the p-values (parts, draws) that the parts of a claim hold and fail, and whether the claim is true."""
    p_values, true = [], True
    for part in claim.parts:
        weighed = [(term, cell, weight) for term in part.terms for cell, weight in _cells(term)]
        samples = [wins.moments(*cell, term.measure) for term, cell, _ in weighed]
        p = np.stack(part.region.p_values(contrast(samples, [weight for *_, weight in weighed])))
        if len(part.terms) > 1:
            lowest, highest = sides(part, {cell: wins.moments(*cell, FINAL).mean for cell in part.cells})
            p = np.where((highest <= LOWEST) | (lowest > HIGHEST), 1.0, p)
        p_values.append(p)
        truths = (weight * wins.truth(*cell, term.measure) for term, cell, weight in weighed)
        true &= _inside(part, ordered_sum(truths))
    inside, outside = np.stack(p_values, axis=1)
    return inside, outside, true


def _cells(term: Term) -> list[tuple[tuple[str, str], float]]:
    """Return every (map, arm) of a term with its weight in a contrast."""
    cells = [(name, arm) for name in term.maps for arm in term.arms]
    return [(cell, term.weight / len(cells)) for cell in cells]


def _inside(part: Part, value: float) -> bool:
    return part.region.contains(value) and part.region.distance(value) > EDGE


def _of_roles(claim: Claim, point: Point, draws: int, rng: np.random.Generator) -> tuple[Floats, Floats, bool]:
    """Return the same of a claim on roles, simulated by itself.

    The first term that is new to a part has the level that puts the part on its edge, other new ones have zero; what
    stands first in a part moves with the lead, where a seed has not collapsed.
    """
    first = {_plain(part.terms[0]) for part in claim.parts}
    levels: dict[Term, float] = {}
    samples: dict[tuple[Term, tuple[str, str]], Floats] = {}
    p_values = []
    for part in claim.parts:
        edge, towards = (part.region.low, 1) if np.isfinite(part.region.low) else (part.region.high, -1)
        known = ordered_sum(term.weight * levels.get(_plain(term), 0.0) for term in part.terms)
        for term in (term for term in part.terms if _plain(term) not in levels):
            levels[_plain(term)] = (edge - known) / term.weight
            known = edge
            for cell, _ in _cells(term):
                samples[_plain(term), cell] = levels[_plain(term)] + point.deviation * rng.standard_normal(
                    (draws, point.seeds)
                )
                if _plain(term) in first:
                    alive = rng.uniform(size=(draws, point.seeds)) >= point.collapsed
                    samples[_plain(term), cell] += towards * point.lead / term.weight * alive
        p_values.append(np.stack(part.region.p_values(_role_contrast(part, samples))))
    inside, outside = np.stack(p_values, axis=1)
    return inside, outside, point.lead > 0


def _role_contrast(part: Part, samples: Mapping[tuple[Term, tuple[str, str]], Floats]) -> Estimate:
    """Return a part's estimates (draws,), within runs if it is paired."""
    if part.kind == "paired":
        runs: dict[tuple[tuple[str, str], bool], Floats] = {}
        for term in part.terms:
            for cell, weight in _cells(term):
                group = cell, term.reference == "untrained"  # these are other networks
                runs[group] = runs.get(group, 0.0) + weight * samples[_plain(term), cell]
        return contrast([moments(sample) for sample in runs.values()], [1.0] * len(runs))
    weighed = [(moments(samples[_plain(term), cell]), weight) for term in part.terms for cell, weight in _cells(term)]
    return contrast([sample for sample, _ in weighed], [weight for _, weight in weighed])


def _plain(term: Term) -> Term:
    """Return a term without its weight, as what is measured."""
    return replace(term, weight=1.0)


def coverage(seeds: int, collapsed: float, draws: int, deviation: float = 0.03, level: float = 0.8) -> float:
    """Return the share of Student's 95 % intervals that cover the mean win rate of seeds of which a share collapses.

    Args:
        seeds: In each sample.
        collapsed: The share of seeds that win nothing.
        draws: How many samples.
        deviation: Between the other seeds.
        level: Their mean win rate.
    """
    rng = np.random.default_rng([seeds, draws])
    win_rates = level + deviation * rng.standard_normal((seeds, draws))
    interval = student_interval(np.where(rng.uniform(size=(seeds, draws)) < collapsed, 0.0, win_rates))
    truth = level * (1 - collapsed)
    return float(np.mean((interval.low <= truth) & (truth <= interval.high)))
