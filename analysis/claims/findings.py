"""Findings on the parts of claims: an estimate from the runs, or the reason why there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.claims.entries import HEADLINE, Claim, Part, Term
from analysis.claims.evidence import EVALUATION, FINAL, OF_TESTS, Evidence
from analysis.claims.inference import Estimate, contrast, moments, seeds_needed
from analysis.statistics import FEWEST_SEEDS, Floats
from roma.support.numbers import ordered_sum

LOWEST, HIGHEST = 0.10, 0.95  # win rates; no comparison if both sides are at most LOWEST or both above HIGHEST
NO_NUMBER = "no number"


@dataclass(frozen=True)
class Finding:
    """Estimate of a part, or the reason why there is none; `alpha` is the level from Holm's procedure."""

    part: Part
    estimate: Estimate | None = None
    variance: float = 0.0  # of the contrast with one seed per side
    seeds: int = 0  # smallest number of seeds of any cell
    alpha: float = 0.0
    reason: str = ""
    seeds_help: bool = True
    trained: bool = True  # whether the scale trains all cells of the part, now or later
    complete: bool = True  # whether every cell has all planned seeds
    evaluation: float | None = None  # same contrast of the final evaluations; not used for verdicts

    @property
    def p_values(self) -> tuple[Floats, Floats]:
        """One-sided p-values for the part to hold and to fail; 1 without an estimate."""
        return self.part.region.p_values(self.estimate) if self.estimate else (np.asarray(1.0), np.asarray(1.0))

    @property
    def holds(self) -> bool | None:
        """True if the part holds at level `alpha`, False if it fails, None if it is undecided."""
        inside, outside = self.p_values
        return True if 2 * inside < self.alpha else False if 2 * outside < self.alpha else None

    @property
    def needed(self) -> str:
        """Number of seeds per side that would decide an undecided part."""
        if self.estimate is None:
            return f"at least {FEWEST_SEEDS}" if self.seeds_help else NO_NUMBER
        n = seeds_needed(self.part.region, float(self.estimate.value), self.variance, self.alpha)
        return "above 1000" if n is None else str(max(n, self.seeds + 1))

    def __str__(self) -> str:
        head = f"{self.part.label}: " if self.part.label else ""
        if self.estimate is None:
            return head + self.reason
        low, high = self.estimate.interval(self.alpha)
        return f"{head}{self.estimate.value:.3g} [{low:.3g}, {high:.3g}]"


class Sample(NamedTuple):
    """Values of a cell, one per seed, and the weight of their mean in a contrast."""

    cell: str
    by_seed: pd.Series
    weight: float
    within: float = 0.0  # lower bound of the variance between seeds, from the variance within them


def find(part: Part, claim: Claim, variant: str, evidence: Evidence | None) -> Finding:
    """Return the estimate of a part for a variant, or the reason why there is none yet.

    Args:
        part: Part of the claim.
        claim: The claim.
        variant: Arm that takes the place of ROMA.
        evidence: Values of the runs; None if the scale has no summary.
    """
    if evidence is None:
        return Finding(part, reason=f"the scale {claim.scale} has no summary", seeds_help=False, trained=False)
    part = _for_variant(part, variant)
    cells = part.cells
    if unplanned := [f"{name}/{arm}" for name, arm in cells if not evidence.planned_seeds(name, arm)]:
        reason = f"the scale {evidence.scale} does not train {', '.join(unplanned)}"
        return Finding(part, reason=reason, seeds_help=False, trained=False)
    finding = _estimate(part, claim, evidence)
    return replace(finding, complete=all(evidence.seeds(*cell) >= evidence.planned_seeds(*cell) for cell in cells))


def _for_variant(part: Part, variant: str) -> Part:
    terms = (replace(term, arms=tuple(variant if arm == HEADLINE else arm for arm in term.arms)) for term in part.terms)
    return replace(part, terms=tuple(terms))


def _estimate(part: Part, claim: Claim, evidence: Evidence) -> Finding:
    """Return the estimate of a part whose cells the scale trains, or the reason why there is none yet."""
    missing = [f"{name}/{arm}" for name, arm in part.cells if not evidence.has(name, arm)]
    if missing:
        return Finding(part, reason=f"no runs of {', '.join(missing)}")
    steps: dict[str, int] = {}  # of comparison, by map
    for map_name in dict.fromkeys(name for name, _ in part.cells):
        arms = [arm for name, arm in part.cells if name == map_name]
        equal = evidence.equal_step(map_name, arms)
        if equal is None:
            reason = f"runs of {', '.join(arms)} on {map_name} have no evaluation at a common step"
            return Finding(part, reason=reason, seeds_help=False)
        for protocol in sorted({evidence.protocol(map_name, arm) for arm in arms}):
            if equal < (least := claim.least_steps(protocol, map_name)):
                asked = f"the claim requires {least} under protocol {protocol}"
                return Finding(part, reason=f"runs of {map_name} compared at {equal} steps, {asked}", seeds_help=False)
        steps[map_name] = equal
    if unreached := _unreached(part, steps):
        return Finding(part, reason=unreached, seeds_help=False)
    measures = {term.measure for term in part.terms}
    if not measures <= set(OF_TESTS) and not evidence.has_roles:
        return Finding(part, reason="the summary has no table of roles", seeds_help=False)
    samples, absent = _samples(part, steps, evidence)
    if absent:
        return Finding(part, reason=f"not recorded: {', '.join(absent)}", seeds_help=False)
    few = [f"{sample.cell} has {len(sample.by_seed)}" for sample in samples if len(sample.by_seed) < FEWEST_SEEDS]
    if few:
        return Finding(part, reason=f"{FEWEST_SEEDS} seeds are needed: {', '.join(dict.fromkeys(few))}")
    if measures <= set(OF_TESTS) and len(part.terms) > 1:
        lowest, highest = _sides(part, steps, evidence)
        if highest <= LOWEST:
            return Finding(part, reason="no side wins more than 10 %", seeds_help=False)
        if lowest > HIGHEST:
            return Finding(part, reason="both sides win more than 95 %", seeds_help=False)
    of_samples = [moments(sample.by_seed.to_numpy(float), sample.within) for sample in samples]
    estimate = contrast(of_samples, [sample.weight for sample in samples])
    parts = (sample.weight**2 * float(each.variance) for sample, each in zip(samples, of_samples, strict=True))
    variance = ordered_sum(parts)
    beside = _evaluated(part, steps, evidence) if measures == {FINAL} else None
    return Finding(part, estimate, variance, min(each.n for each in of_samples), evaluation=beside)


def _unreached(part: Part, steps: Mapping[str, int]) -> str:
    """Return a message on the first stage of a part that its runs have not reached; empty if all are reached."""
    for term in part.terms:
        for name in term.maps:
            if term.stage is not None and term.stage > steps[name]:
                return f"the stage of {term.stage} steps is not reached: runs of {name} have {steps[name]}"
    return ""


def _samples(part: Part, steps: Mapping[str, int], evidence: Evidence) -> tuple[list[Sample], list[str]]:
    """Return independent samples at the map's step of comparison, and the names of missing measurements."""
    samples, absent = [], []
    for term in part.terms:
        for name, arm in product(term.maps, term.arms):
            step = steps[name] if term.stage is None else term.stage
            values = evidence.values(name, arm, term.measure, step, term.reference)
            if values.empty:
                absent.append(_described(name, arm, term, step))
            elif part.kind == "correlation":
                values = evidence.correlations(name, arm, term.measure, step)
            cell = f"{name}/{arm}{' untrained' * (term.reference == 'untrained')}"  # not the run's networks
            within = evidence.chance(name, arm, term.measure, step, term.reference)
            samples.append(Sample(cell, values, term.weight / len(term.maps) / len(term.arms), within))
    return (_paired(samples, part) if part.kind == "paired" else samples), absent


def _paired(samples: Sequence[Sample], part: Part) -> list[Sample]:
    """Return one sample per (map, arm): the contrast within each run that has all terms."""
    pooled = len(samples) // len(part.terms)
    paired = []
    for cell in dict.fromkeys(sample.cell for sample in samples):
        mine = [sample for sample in samples if sample.cell == cell]
        columns = [sample.by_seed * sample.weight * pooled for sample in mine]
        within = mine[0].within if len(mine) == 1 else 0.0
        paired.append(Sample(cell, pd.concat(columns, axis=1, join="inner").sum(axis=1), 1 / pooled, within))
    return paired


def _sides(part: Part, steps: Mapping[str, int], evidence: Evidence) -> tuple[float, float]:
    """Return the lower and the higher mean final win rate of a part's positive and negative terms."""
    means = {cell: np.mean(evidence.values(*cell, FINAL, steps[cell[0]]).to_numpy(float)) for cell in part.cells}
    lowest, highest = sides(part, means)
    return float(lowest), float(highest)


def sides(part: Part, means: Mapping[tuple[str, str], Any]) -> tuple[Floats, Floats]:
    """Return the lower and the higher mean (...) of a part's positive and negative terms.

    Args:
        part: The part.
        means: Mean (...) of each (map, arm).
    """
    both = []
    for sign in (1, -1):
        terms = [term for term in part.terms if term.weight * sign > 0]
        if terms:
            of_terms = [np.mean([means[cell] for cell in product(term.maps, term.arms)], axis=0) for term in terms]
            both.append(np.mean(of_terms, axis=0))
    return np.minimum.reduce(both), np.maximum.reduce(both)


def _evaluated(part: Part, steps: Mapping[str, int], evidence: Evidence) -> float:
    """Return the contrast of a part for the final evaluations."""
    changed = replace(part, terms=tuple(replace(term, measure=EVALUATION) for term in part.terms))
    return float(sum(sample.weight * sample.by_seed.mean() for sample in _samples(changed, steps, evidence)[0]))


def _described(map_name: str, arm: str, term: Term, step: int) -> str:
    of = "" if term.reference == "roles" else f" of {term.reference}"
    return f"{term.measure}{of} of {map_name}/{arm} at {step} steps"
