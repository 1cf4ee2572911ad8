"""Simulation of whole studies in worlds whose truth is known, to measure how often verdicts are right and wrong.

The true final win rate of a seed is its arm's level plus a normal deviation, clipped to [0, 1]; 256 episodes of it are
observed. A collapsed seed wins nothing. The area under the learning curve is a fixed share of the win rate. A world
defines which arms move with the lead. Claims on roles are simulated one by one: their value is the lead beyond the
threshold and beyond each null, and a collapsed seed lies at the null. Simulated studies are judged by the same
contrasts, bounds and Holm procedure as the real study.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np
from scipy.special import ndtri

from analysis.claims.entries import HEADLINE, Claim, Part, Term
from analysis.claims.evidence import AREA, FINAL, OF_TESTS, UNSTEADINESS
from analysis.claims.findings import HIGHEST, LOWEST, sides
from analysis.claims.inference import Estimate, Moments, binomial_variance, contrast, moments
from analysis.claims.verdicts import decide
from analysis.statistics import Floats, student_interval
from roma.support.numbers import ordered_sum

EPISODES_OF = {FINAL: 256, AREA: 10_000}  # episodes behind a win rate
LAST_TESTS = 25  # tests in the last tenth of a run of 5 million steps under protocol paper
AREA_SHARE = 0.6  # area under the curve as a share of final performance
LEVEL, LOWER = 0.4, 0.3  # win rates of QMIX and of the baselines below it
LOW_ARMS = ("iql", "coma", "qtran")
SCATTER = 0.1  # standard deviation between the policies at the end of a run
MANY_AGENTS = ("10z5b_vs_2s3z", "MMM2", "27m_vs_30m", "10m_vs_11m")
EDGE = 1e-9  # values closer to an edge count as lying on it
QUANTILES = ndtri((np.arange(4000) + 0.5) / 4000)


@dataclass(frozen=True)
class World:
    """True win rates of the arms as functions of the lead; an arm that is not listed stays at QMIX's level."""

    moved: Mapping[str, float]  # win rate of an arm above its level, in units of the lead
    maps: tuple[str, ...] | None = None  # maps on which ROMA moves; None: all
    lower: tuple[str, ...] = LOW_ARMS  # arms at the level LOWER
    less_steady: Mapping[str, float] = field(default_factory=dict)  # additional scatter, in units of half the lead


# In the first world, the lead is the size of every effect that the paper states. In the others some statements are
# false.
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
    """Truth and size of a simulated study."""

    world: str
    lead: float  # of ROMA over QMIX, in win rate
    deviation: float  # standard deviation between seeds, in win rate
    collapsed: float  # share of collapsed seeds of every arm
    seeds: int  # per arm
    only: str = ""  # the only arm whose seeds collapse; empty: all arms


@dataclass(frozen=True)
class Rates:
    """Truth of a claim and the shares of simulated studies in which it was reproduced and contradicted."""

    claim: str
    question: str
    true: bool
    reproduced: float
    contradicted: float

    @property
    def power(self) -> float:
        """Share of right verdicts."""
        return self.reproduced if self.true else self.contradicted

    @property
    def false(self) -> float:
        """Share of wrong verdicts."""
        return self.contradicted if self.true else self.reproduced


class WinRates:
    """Observed and true test measures of simulated runs at a point, by (map, arm).

    Args:
        point: Truth and size of the studies.
        draws: Number of studies.
        rng: Source of randomness.
    """

    def __init__(self, point: Point, draws: int, rng: np.random.Generator) -> None:
        self.point, self.world = point, WORLDS[point.world]
        self._shape = (draws, point.seeds)
        self._rng = rng
        self._skills: dict[tuple[str, str], Floats] = {}
        self._moments: dict[tuple[str, str, str], Moments] = {}

    def level(self, map_name: str, arm: str) -> float:
        """Return the mean win rate of an arm's seeds that do not collapse."""
        level = LOWER if arm in self.world.lower else LEVEL
        here = arm != HEADLINE or self.world.maps is None or map_name in self.world.maps
        return level + self.world.moved.get(arm, 0) * self.point.lead * here

    def moments(self, map_name: str, arm: str, measure: str) -> Moments:
        """Return the moments (draws,) of a measure over the seeds of a (map, arm)."""
        key = map_name, arm, measure
        if key not in self._moments:
            seen = self.seen(*key)
            within = binomial_variance(seen, EPISODES_OF[measure]) if measure in EPISODES_OF else 0.0
            self._moments[key] = moments(seen, within)
        return self._moments[key]

    def seen(self, map_name: str, arm: str, measure: str) -> Floats:
        """Return observed values (draws, seeds) of a measure for the runs of a (map, arm).

        Each call draws new noise; the true win rates of the runs are drawn once.
        """
        if measure == UNSTEADINESS:
            deviations = self._scatter(arm, self._rng.standard_normal(self._shape))
            return deviations**2 * self._rng.chisquare(LAST_TESTS - 1, self._shape) / (LAST_TESTS - 1)
        if measure not in (AREA, FINAL):
            raise ValueError(f"{measure} is not simulated")
        skill = self._skill(map_name, arm)
        if measure == AREA:
            return AREA_SHARE * skill
        return np.asarray(self._rng.binomial(EPISODES_OF[FINAL], skill) / EPISODES_OF[FINAL])

    def _skill(self, map_name: str, arm: str) -> Floats:
        """Return the true win rates (draws, seeds) of the runs of a (map, arm)."""
        cell = map_name, arm
        if cell not in self._skills:
            level = self.level(*cell) + self.point.deviation * self._rng.standard_normal(self._shape)
            collapsed = self._rng.uniform(size=self._shape) < self._collapsed(arm)
            self._skills[cell] = np.where(collapsed, 0.0, np.clip(level, 0, 1))
        return self._skills[cell]

    def _collapsed(self, arm: str) -> float:
        return self.point.collapsed if self.point.only in ("", arm) else 0.0

    def _scatter(self, arm: str, deviations: Floats) -> Floats:
        """Return the standard deviation between the policies at the end of runs, from normal deviations of the runs."""
        middle = SCATTER + self.world.less_steady.get(arm, 0) * self.point.lead / 2
        return np.maximum(middle + self.point.deviation / 4 * deviations, 0)

    def truth(self, map_name: str, arm: str, measure: str) -> float:
        """Return the true mean of a measure over all seeds."""
        if measure == UNSTEADINESS:
            return float(np.mean(self._scatter(arm, QUANTILES) ** 2))
        skill = np.clip(self.level(map_name, arm) + self.point.deviation * QUANTILES, 0, 1)
        return float(np.mean(skill)) * (AREA_SHARE if measure == AREA else 1) * (1 - self._collapsed(arm))


def simulate(claims: Sequence[Claim], point: Point, draws: int, rng: np.random.Generator) -> list[Rates]:
    """Return the rates of each claim with a verdict for the headline variant, and of each family.

    In the entry of a family, `claim` is empty and `reproduced` is the share of studies with any false verdict.

    Args:
        claims: All claims.
        point: Truth and size of the studies.
        draws: Number of studies.
        rng: Source of randomness.
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
    """Return whether a claim is on measures of tests only, not on measures of roles."""
    measures = {term.measure for part in claim.parts for term in part.terms}
    return bool(measures) and measures <= set(OF_TESTS)


def _of_tests(claim: Claim, wins: WinRates) -> tuple[Floats, Floats, bool]:
    """Return the p-values (parts, draws) for a claim's parts to hold and to fail, and whether the claim is true."""
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
    """Return the p-values and the truth of a claim on roles, which is simulated by itself.

    The first new term of a part has the level that puts the part on the edge of its region; further new terms have
    level 0. The first term of a part then moves with the lead, except in collapsed seeds.
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
                group = cell, term.reference == "untrained"  # not the run's networks
                runs[group] = runs.get(group, 0.0) + weight * samples[_plain(term), cell]
        return contrast([moments(sample) for sample in runs.values()], [1.0] * len(runs))
    weighed = [(moments(samples[_plain(term), cell]), weight) for term in part.terms for cell, weight in _cells(term)]
    return contrast([sample for sample, _ in weighed], [weight for _, weight in weighed])


def _plain(term: Term) -> Term:
    """Return a term without its weight, the key of its samples."""
    return replace(term, weight=1.0)


def coverage(seeds: int, collapsed: float, draws: int, deviation: float = 0.03, level: float = 0.8) -> float:
    """Return the share of Student's 95 % intervals that cover the mean win rate if a share of the seeds collapses.

    Args:
        seeds: Seeds in each sample.
        collapsed: Share of collapsed seeds.
        draws: Number of samples.
        deviation: Standard deviation between the other seeds.
        level: Mean win rate of the other seeds.
    """
    rng = np.random.default_rng([seeds, draws])
    win_rates = level + deviation * rng.standard_normal((seeds, draws))
    interval = student_interval(np.where(rng.uniform(size=(seeds, draws)) < collapsed, 0.0, win_rates))
    truth = level * (1 - collapsed)
    return float(np.mean((interval.low <= truth) & (truth <= interval.high)))
