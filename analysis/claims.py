"""The paper's claims, each judged by a comparison that was fixed beforehand (claims.yaml).

A claim is one or more parts, each a contrast of means over seeds and the region where it must lie. All parts of a
question are one family: each has the interval that Holm's procedure leaves it, and holds or fails if the whole interval
says so. What cannot be told yet is undecided, with the reason. A part over cells that the scale does not train belongs
to no family. Runs are compared at equal steps: on each map all terms of a part are taken at the latest step at which
every run of theirs was evaluated. While a cell has fewer seeds than planned, a verdict is one "so far".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml

from analysis.evidence import WIN_RATES, Evidence
from analysis.statistics import (
    FEWEST_SEEDS,
    Estimate,
    Region,
    contrast,
    holm_levels,
    seeds_needed,
)
from roma.errors import UserError
from roma.files import DIGEST_LENGTH, file_digest
from roma.scenarios import canonical_map
from roma.schema import check_schema

CLAIMS = Path(__file__).parent / "claims.yaml"
SCHEMA = Path(__file__).parent / "claims.schema.yaml"

VARIANTS = ("roma", "roma_release")  # the headline first
LOWEST, HIGHEST = 0.10, 0.95  # win rates between which at least one side of a comparison must lie
# How the terms of a contrast are changed into those of a null; analysis.nulls says what they are.
NULLS: dict[str, dict[str, Any]] = {
    "untrained": {"stage": 0, "reference": "untrained"},
    "roma_td": {"arms": ("roma_td",)},
    **{name: {"reference": name} for name in ("projected", "principal", "permuted", "structureless", "shifted")},
}
NO_NUMBER = "no number"
VERDICTS = REPRODUCED, CONTRADICTED, UNDECIDED, SETTLED, NOT_TRAINED = (
    "reproduced",
    "contradicted",
    "undecided",
    "holds by construction",
    "not trained",
)
WITHHELD = "withheld"  # in the place of every verdict


@dataclass(frozen=True)
class Term:
    """A mean over seeds, pooled over arms and maps alike."""

    arms: tuple[str, ...]
    maps: tuple[str, ...]
    measure: str
    weight: float = 1.0
    stage: int | None = None  # milestone of a measure of roles, in environment steps; None: the step of comparison
    reference: str = "roles"


@dataclass(frozen=True)
class Part:
    """One contrast: its value is expected to lie in the region."""

    label: str
    kind: str
    terms: tuple[Term, ...]
    region: Region


@dataclass(frozen=True)
class Claim:
    id: str
    question: str
    place: str
    statement: str
    settled: dict[str, dict[str, str]]
    scale: str | None
    parts: tuple[Part, ...]
    at_least: int
    minimum_steps: dict[str, int | dict[str, int]]  # by protocol; of all maps, or of each with a default
    expectation: str
    nulls: tuple[str, ...]

    def least_steps(self, protocol: str, map_name: str) -> int:
        """Return the environment steps below which a comparison on a map decides nothing."""
        least = self.minimum_steps[protocol]
        return least if isinstance(least, int) else least.get(map_name, least["default"])


@dataclass(frozen=True)
class Finding:
    """What the runs say of a part: an estimate, or the reason why there is none. `alpha` is Holm's."""

    part: Part
    estimate: Estimate | None = None
    variance: float = 0.0  # of the contrast for one seed a side
    seeds: int = 0  # of the cell that has fewest
    alpha: float = 0.0
    reason: str = ""
    seeds_help: bool = True
    trained: bool = True  # whether the scale trains all its cells, now or later
    complete: bool = True  # whether every cell has all the seeds planned

    @property
    def holds(self) -> bool | None:
        return self.part.region.holds(self.estimate.interval(self.alpha)) if self.estimate else None

    @property
    def advantage(self) -> float:
        """How far the estimate lies inside its region, negative outside; without an estimate it counts as zero."""
        if self.estimate is None:
            return 0.0
        region, value = self.part.region, self.estimate.value
        return region.distance(value) * (1 if region.low < value < region.high else -1)

    @property
    def needed(self) -> str:
        """Seeds a side that would settle an undecided part."""
        if self.estimate is None:
            return f"at least {FEWEST_SEEDS}" if self.seeds_help else NO_NUMBER
        n = seeds_needed(self.part.region, self.estimate.value, self.variance, self.alpha)
        return "above 1000" if n is None else str(max(n, self.seeds + 1))

    def __str__(self) -> str:
        head = f"{self.part.label}: " if self.part.label else ""
        if self.estimate is None:
            return head + self.reason
        low, high = self.estimate.interval(self.alpha)
        return f"{head}{self.estimate.value:.3g} [{low:.3g}, {high:.3g}]"


class Sample(NamedTuple):
    """Values of a cell, one a seed, and their mean's weight in a contrast."""

    cell: str
    by_seed: pd.Series
    weight: float
    within: float = 0.0  # the least variance between seeds, known from inside them


@dataclass(frozen=True)
class Verdict:
    """`evidence` is the finding the verdict hangs on, `findings` are all. `so_far`: seeds are to come."""

    claim: Claim
    variant: str
    verdict: str
    why: str = ""
    needed: str = ""
    evidence: Finding | None = None
    findings: tuple[Finding, ...] = ()
    so_far: bool = False

    def __str__(self) -> str:
        return f"{self.verdict} so far" if self.so_far else self.verdict


@cache
def claims_digest() -> str:
    return file_digest(CLAIMS)[:DIGEST_LENGTH]


def load(file: Path = CLAIMS) -> list[Claim]:
    """The claims of a file; UserError of one line where it is not what the schema and the names allow."""
    entries = yaml.safe_load(file.read_text())
    check_schema(entries, SCHEMA, str(file))
    claims: list[Claim] = []
    for entry in entries["claims"]:
        try:
            claims.append(_claim(entry))
        except UserError as error:
            raise UserError(f"{file}: claim {entry['id']}: {error}") from None
        if [claim.id for claim in claims].count(entry["id"]) > 1:
            raise UserError(f"{file}: claim {entry['id']} stands twice")
    return claims


def _claim(entry: dict[str, Any]) -> Claim:
    parts = _parts(entry) if "contrast" in entry else ()
    settled = entry.get("settled", {})
    if not parts and set(settled) != set(VARIANTS):
        raise UserError(f"without a contrast it must be settled for {' and '.join(VARIANTS)}")
    at_least = entry.get("at_least", len(parts))
    if "at_least" in entry and "nulls" in entry:
        raise UserError("at_least and nulls exclude each other")
    if at_least > len(parts):
        raise UserError(f"at_least = {at_least} exceeds its {len(parts)} parts")
    return Claim(
        entry["id"],
        entry["question"],
        entry["place"],
        " ".join(entry["statement"].split()),
        settled,
        entry.get("scale"),
        parts,
        at_least,
        entry.get("minimum_steps", {}),
        " ".join(f"{word} {value:g}" for word, value in entry.get("expect", {}).items()),
        tuple(entry.get("nulls", ())),
    )


def _parts(entry: dict[str, Any]) -> tuple[Part, ...]:
    choices = {key: entry.get(f"each_{key}", [""]) for key in ("arm", "map", "measure")}
    for key, choice in choices.items():
        named = [term.get(key, entry["measure"]) for term in entry["contrast"]]
        if ("each" in named) != (choice != [""]):
            raise UserError(f"'each' as {key} and each_{key} need each other")
    parts = []
    for arm, map_name, measure in product(*choices.values()):
        terms = tuple(_term(term, measure or entry["measure"], arm, map_name) for term in entry["contrast"])
        label = " ".join(filter(None, (arm, map_name, measure)))
        parts.append(Part(label, entry["kind"], terms, _region(entry["expect"])))
    return (*parts, *(_null(null, part, entry) for null in entry.get("nulls", ()) for part in parts))


def _term(term: dict[str, Any], measure: str, arm: str, map_name: str) -> Term:
    arms = _tuple(arm if term["arm"] == "each" else term["arm"])
    maps = _tuple(map_name if term["map"] == "each" else term["map"])
    for name in maps:
        canonical_map(name)
    reference = term.get("reference", "roles")
    return Term(arms, maps, term.get("measure", measure), term.get("weight", 1.0), term.get("stage"), reference)


def _null(null: str, part: Part, entry: dict[str, Any]) -> Part:
    """The part that holds where the contrast lies beyond the same contrast of a null, on the expected side."""
    changes = NULLS[null]
    if len({(term.arms, term.maps) for term in part.terms}) > 1 or "within" in entry["expect"]:
        raise UserError("nulls need the same arms and maps in all terms, and a threshold")
    opposite = tuple(replace(term, weight=-term.weight, **changes) for term in part.terms)
    region = Region(low=0.0) if "above" in entry["expect"] else Region(high=0.0)
    label = " ".join(filter(None, (part.label, f"against {null}")))
    return Part(label, "paired", part.terms + opposite, region)  # paired where the null is of the same runs


def _region(expect: dict[str, float]) -> Region:
    if "within" in expect:
        return Region(-expect["within"], expect["within"])
    return Region(low=expect["above"]) if "above" in expect else Region(high=expect["below"])


def _tuple(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def judge(claims: Sequence[Claim], evidence: Evidence, others: dict[str, Evidence]) -> list[Verdict]:
    """A verdict on each claim for each variant, in the order of the claims; `others` are scales that claims name."""
    verdicts = {}
    for variant in VARIANTS:
        for _, family in groupby(sorted(claims, key=lambda claim: claim.question), key=lambda claim: claim.question):
            for verdict in _judge_family(list(family), variant, evidence, others):
                verdicts[verdict.claim.id, variant] = verdict
    return [verdicts[claim.id, variant] for claim in claims for variant in VARIANTS]


def _judge_family(
    family: Sequence[Claim], variant: str, evidence: Evidence, others: dict[str, Evidence]
) -> list[Verdict]:
    open_claims = [claim for claim in family if variant not in claim.settled]
    found = []
    for claim in open_claims:
        source = evidence if claim.scale is None else others.get(claim.scale)
        for part in claim.parts:
            if source is None:
                reason = f"the scale {claim.scale} has no summary"
                finding = Finding(part, reason=reason, seeds_help=False, trained=False)
            else:
                finding = _find(_for_variant(part, variant), claim, source)
            found.append((claim.id, finding))
    testable = [place for place, (_, finding) in enumerate(found) if finding.estimate]
    p_values = [f.part.region.p_value(f.estimate) for _, f in found if f.estimate]
    for place, alpha in zip(testable, holm_levels(p_values), strict=True):
        found[place] = found[place][0], replace(found[place][1], alpha=alpha)
    verdicts = []
    for claim in family:
        if variant in claim.settled:
            settled = claim.settled[variant]
            verdicts.append(Verdict(claim, variant, settled["verdict"], settled["because"]))
        else:
            verdicts.append(_verdict(claim, variant, [finding for name, finding in found if name == claim.id]))
    return verdicts


def _verdict(claim: Claim, variant: str, findings: list[Finding]) -> Verdict:
    """Of n parts k must hold: contradicted once more than n - k fail. The evidence is the k-th best part."""
    required = claim.at_least
    holding, failing = (sum(finding.holds is holds for finding in findings) for holds in (True, False))
    evidence = sorted(findings, key=lambda finding: -finding.advantage)[required - 1]
    rest = evidence, tuple(findings)
    so_far = not all(finding.complete for finding in findings if finding.trained)
    if holding >= required:
        return Verdict(claim, variant, REPRODUCED, "", "", *rest, so_far)
    if failing > len(findings) - required:
        return Verdict(claim, variant, CONTRADICTED, "", "", *rest, so_far)
    if sum(finding.trained for finding in findings) < required:
        return Verdict(claim, variant, NOT_TRAINED, _why([finding for finding in findings if not finding.trained]))
    undecided = [finding for finding in findings if finding.holds is None and finding.trained]
    needed = max((finding.needed for finding in undecided), key=_order_of_needs)
    return Verdict(claim, variant, UNDECIDED, _why(undecided), needed, *rest)


def _why(undecided: Sequence[Finding]) -> str:
    """The reasons, each once, with the parts that it leaves open."""
    labels: dict[str, list[str]] = {}
    for finding in undecided:
        region = finding.part.region
        edge = "margin" if np.isfinite([region.low, region.high]).all() else "threshold"
        reason = finding.reason or f"the interval includes the {edge}"
        labels.setdefault(reason, []).extend(filter(None, [finding.part.label]))
    return "; ".join(f"{reason} ({', '.join(names)})" if names else reason for reason, names in labels.items())


def _order_of_needs(needed: str) -> float:
    """Of several needs the greatest decides; what seeds cannot settle comes last."""
    if needed.isdigit():
        return int(needed)
    return {"at least 3": 0.0, "above 1000": 1e6}.get(needed, 1e9)


def _for_variant(part: Part, variant: str) -> Part:
    terms = (
        replace(term, arms=tuple(variant if arm == VARIANTS[0] else arm for arm in term.arms)) for term in part.terms
    )
    return replace(part, terms=tuple(terms))


def _find(part: Part, claim: Claim, evidence: Evidence) -> Finding:
    """The part's estimate, or why there can be none yet."""
    cells = list(dict.fromkeys((name, arm) for term in part.terms for name in term.maps for arm in term.arms))
    if unplanned := [f"{name}/{arm}" for name, arm in cells if not evidence.planned_seeds(name, arm)]:
        reason = f"the scale {evidence.scale} does not train {', '.join(unplanned)}"
        return Finding(part, reason=reason, seeds_help=False, trained=False)
    finding = _estimate(part, claim, evidence, cells)
    planned = {cell: evidence.planned_seeds(*cell) for cell in cells}
    return replace(finding, complete=all(evidence.seeds(*cell) >= number for cell, number in planned.items()))


def _estimate(part: Part, claim: Claim, evidence: Evidence, cells: Sequence[tuple[str, str]]) -> Finding:
    """The estimate of a part whose cells the scale trains, or why there can be none yet."""
    missing = [f"{name}/{arm}" for name, arm in cells if not evidence.has(name, arm)]
    if missing:
        return Finding(part, reason=f"no runs of {', '.join(missing)}")
    steps: dict[str, int] = {}  # of comparison, by map
    for map_name in dict.fromkeys(name for name, _ in cells):
        arms = [arm for name, arm in cells if name == map_name]
        equal = evidence.equal_step(map_name, arms)
        if equal is None:
            reason = f"runs of {', '.join(arms)} on {map_name} have no evaluation at one step"
            return Finding(part, reason=reason, seeds_help=False)
        for protocol in sorted({evidence.protocol(map_name, arm) for arm in arms}):
            if equal < (least := claim.least_steps(protocol, map_name)):
                asked = f"the claim asks for {least} under {protocol}"
                return Finding(part, reason=f"runs of {map_name} compared at {equal} steps, {asked}", seeds_help=False)
        steps[map_name] = equal
    if unreached := _unreached(part, steps):
        return Finding(part, reason=unreached, seeds_help=False)
    measures = {term.measure for term in part.terms}
    if not measures <= set(WIN_RATES) and not evidence.has_roles:
        return Finding(part, reason="the summary has no table of roles", seeds_help=False)
    samples, absent = _samples(part, steps, evidence)
    if absent:
        return Finding(part, reason=f"not recorded: {', '.join(absent)}", seeds_help=False)
    few = [f"{sample.cell} has {len(sample.by_seed)}" for sample in samples if len(sample.by_seed) < FEWEST_SEEDS]
    if few:
        return Finding(part, reason=f"{FEWEST_SEEDS} seeds are needed: {', '.join(dict.fromkeys(few))}")
    if measures <= set(WIN_RATES) and len(part.terms) > 1:
        sides = _win_rates(part, steps, evidence)
        if max(sides) <= LOWEST:
            return Finding(part, reason="no side wins more than 10 %", seeds_help=False)
        if min(sides) > HIGHEST:
            return Finding(part, reason="both sides win more than 95 %", seeds_help=False)
    variance = sum(sample.weight**2 * max(float(sample.by_seed.var(ddof=1)), sample.within) for sample in samples)
    values = [sample.by_seed.to_numpy(float) for sample in samples]
    estimate = contrast(values, [sample.weight for sample in samples], [sample.within for sample in samples])
    return Finding(part, estimate, variance, min(map(len, values)))


def _unreached(part: Part, steps: Mapping[str, int]) -> str:
    """Return in words which stage of a part its runs have not reached; empty if they have reached all."""
    for term in part.terms:
        for name in term.maps:
            if term.stage is not None and term.stage > steps[name]:
                return f"the stage of {term.stage} steps is not reached: runs of {name} have {steps[name]}"
    return ""


def _samples(part: Part, steps: Mapping[str, int], evidence: Evidence) -> tuple[list[Sample], list[str]]:
    """Independent samples at the map's step of comparison, and the names of what was not recorded."""
    samples, absent = [], []
    for term in part.terms:
        for name, arm in product(term.maps, term.arms):
            step = steps[name] if term.stage is None else term.stage
            values = evidence.values(name, arm, term.measure, step, term.reference)
            if values.empty:
                absent.append(_described(name, arm, term, step))
            elif part.kind == "correlation":
                values = evidence.correlations(name, arm, term.measure, step)
            elif part.kind == "spread":
                values = (values - values.median()).abs()
            cell = f"{name}/{arm}{' untrained' * (term.reference == 'untrained')}"  # these are other networks
            within = evidence.chance(name, arm, term.measure, step, term.reference)
            samples.append(Sample(cell, values, term.weight / len(term.maps) / len(term.arms), within))
    return (_paired(samples, part) if part.kind == "paired" else samples), absent


def _paired(samples: list[Sample], part: Part) -> list[Sample]:
    """One sample a (map, arm): the contrast within each run that has all its terms."""
    pooled = len(samples) // len(part.terms)
    paired = []
    for cell in dict.fromkeys(sample.cell for sample in samples):
        mine = [sample for sample in samples if sample.cell == cell]
        columns = [sample.by_seed * sample.weight * pooled for sample in mine]
        within = mine[0].within if len(mine) == 1 else 0.0
        paired.append(Sample(cell, pd.concat(columns, axis=1, join="inner").sum(axis=1), 1 / pooled, within))
    return paired


def _win_rates(part: Part, steps: Mapping[str, int], evidence: Evidence) -> list[float]:
    """Mean win rate of either side at the steps of comparison, of the terms that add and of those that take away."""
    sides: dict[bool, list[float]] = {True: [], False: []}
    for term in part.terms:
        rates = [evidence.values(*cell, "final_win_rate", steps[cell[0]]) for cell in product(term.maps, term.arms)]
        sides[term.weight > 0].append(float(np.mean([rate.mean() for rate in rates])))
    return [float(np.mean(side)) for side in sides.values() if side]


def _described(map_name: str, arm: str, term: Term, step: int) -> str:
    of = "" if term.reference == "roles" else f" of {term.reference}"
    return f"{term.measure}{of} of {map_name}/{arm} at {step} steps"
