"""Verdicts on claims: Holm's procedure over the claims of a question, each claim an intersection-union test.

A claim holds if all its parts hold; its p-value for holding is the largest of the parts'. A claim fails if one part
fails, with Bonferroni's correction over parts. The p-value of the claim is twice the smaller of the two. Holm's
procedure runs over all claims of a question that the scale trains, independent of the results, so that a family has its
planned size. For normal samples a family has false verdicts in at most half of its 5 %, because a claim can be wrong in
one direction only; the other half is a reserve for win rates, which are not normal (docs/operating_characteristics.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.claims import validity
from analysis.claims.entries import EITHER, HEADLINE, VARIANTS, Claim
from analysis.claims.evidence import OF_TESTS, Evidence
from analysis.claims.findings import Finding, find
from analysis.claims.inference import holm_levels, partial_conjunction
from analysis.claims.validity import Standing
from analysis.statistics import ALPHA, Floats

VERDICTS = REPRODUCED, CONTRADICTED, UNDECIDED, ESTIMATED, SETTLED, FAILS, NOT_VALIDATED, NOT_TRAINED = (
    "reproduced on this engine",
    "contradicted on this engine",
    "undecided",
    "estimate",
    "holds by construction",
    "fails by construction",
    "engine not validated here",
    "not trained",
)
WITHHELD = "withheld"  # replaces every verdict while the scale withholds them


@dataclass(frozen=True)
class Verdict:
    """Verdict on a claim for one variant."""

    claim: Claim
    variant: str
    verdict: str
    why: str = ""  # reason why there is no decision
    needed: str = ""  # seeds per side that would decide
    evidence: Finding | None = None  # the deciding finding
    findings: tuple[Finding, ...] = ()  # all findings
    so_far: bool = False  # whether planned seeds are missing
    on_maps: str = ""  # note with the partial-conjunction p-value
    caveat: str = ""  # note on the validation of the engine on the claim's maps

    def __str__(self) -> str:
        return f"{self.verdict} so far" if self.so_far else self.verdict


class Decisions(NamedTuple):
    """Levels from Holm's procedure and decisions of the claims of a family, each (claims, ...)."""

    alpha: Floats
    reproduced: NDArray[np.bool_]
    contradicted: NDArray[np.bool_]


def decide(parts: Sequence[tuple[Floats, Floats]]) -> Decisions:
    """Decide the claims of a family by Holm's procedure.

    Args:
        parts: For each claim, the one-sided p-values (parts, ...) for its parts to hold and to fail.
    """
    holds = np.array([partial_conjunction(inside, len(inside)) for inside, _ in parts])
    fails = np.array([partial_conjunction(outside, 1) for _, outside in parts])
    alpha = holm_levels(np.minimum(1.0, 2 * np.minimum(holds, fails)))
    return Decisions(alpha, 2 * holds < alpha, 2 * fails < alpha)


def judge(claims: Sequence[Claim], evidence: Evidence, others: Mapping[str, Evidence]) -> list[Verdict]:
    """Return the verdicts on each claim, in the order of the claims and of their variants.

    Args:
        claims: All claims. Claims without ROMA belong to the families of the headline variant.
        evidence: Values of the runs of the scale.
        others: Values of the runs of the scales that claims name, by scale.
    """
    standings = validity.standings(evidence)
    verdicts = {}
    for variant in VARIANTS:
        judged = [claim for claim in claims if variant in claim.variants or (variant, claim.variants) == ONCE]
        for _, family in groupby(sorted(judged, key=lambda claim: claim.question), key=lambda claim: claim.question):
            for verdict in _judge_family(list(family), variant, evidence, others, standings):
                verdicts[verdict.claim.id, verdict.variant] = verdict
    return [verdicts[claim.id, variant] for claim in claims for variant in claim.variants]


ONCE = (HEADLINE, (EITHER,))


def _judge_family(
    family: Sequence[Claim],
    variant: str,
    evidence: Evidence,
    others: Mapping[str, Evidence],
    standings: Mapping[str, Standing],
) -> list[Verdict]:
    found: dict[str, list[Finding]] = {}
    for claim in family:
        source = evidence if claim.scale is None else others.get(claim.scale)
        found[claim.id] = (
            [] if variant in claim.settled else [find(part, claim, variant, source) for part in claim.parts]
        )
    members = [claim.id for claim in family if not claim.estimate and any(each.trained for each in found[claim.id])]
    parts = [np.array([finding.p_values for finding in found[name]]).T for name in members]
    alphas = (
        dict(zip(members, decide([(inside, outside) for inside, outside in parts]).alpha, strict=True))
        if members
        else {}
    )
    verdicts = []
    for claim in family:
        of = variant if variant in claim.variants else EITHER
        if variant in claim.settled:
            settled = claim.settled[variant]
            verdicts.append(Verdict(claim, of, settled["verdict"], settled["because"]))
            continue
        alpha = float(alphas.get(claim.id, ALPHA))
        findings = [replace(finding, alpha=alpha) for finding in found[claim.id]]
        verdict = _verdict(claim, of, findings, _standing(claim, standings))
        source = evidence if claim.scale is None else others.get(claim.scale)
        verdicts.append(replace(verdict, on_maps=_on_maps(claim, variant, source)))
    return verdicts


def _standing(claim: Claim, standings: Mapping[str, Standing]) -> dict[str, Standing]:
    """Return the validation on the maps of a claim on win rates; empty for other claims."""
    if not {term.measure for part in claim.parts for term in part.terms} <= set(OF_TESTS):
        return {}
    maps = dict.fromkeys(name for part in claim.parts for name, _ in part.cells)
    return {name: standings[name] for name in maps}


def _verdict(claim: Claim, variant: str, findings: list[Finding], standing: Mapping[str, Standing]) -> Verdict:
    known = [finding for finding in findings if finding.estimate]
    worst = max(known, key=lambda finding: float(finding.p_values[0]), default=None)
    so_far = not all(finding.complete for finding in findings if finding.trained)
    caveat = validity.caveat(standing)
    if untrained := [finding for finding in findings if not finding.trained]:
        not_trained = Verdict(claim, variant, NOT_TRAINED, _why(untrained))
        if not known or claim.estimate:
            return not_trained
    if Standing.FAILED in standing.values():  # the caveat names the maps
        return Verdict(claim, variant, NOT_VALIDATED, "", "", worst, tuple(findings), False, "", caveat)
    if claim.estimate:
        why = "" if worst else _why(findings)
        return Verdict(claim, variant, ESTIMATED, why, "", worst, tuple(findings), bool(worst) and so_far, "", caveat)
    if all(finding.holds for finding in findings):
        return Verdict(claim, variant, REPRODUCED, "", "", worst, tuple(findings), so_far, "", caveat)
    against = [replace(finding, alpha=finding.alpha / len(findings)) for finding in known]
    if failing := [finding for finding in against if finding.holds is False]:
        clearest = min(failing, key=lambda finding: float(finding.p_values[1]))
        return Verdict(claim, variant, CONTRADICTED, "", "", clearest, tuple(findings), so_far, "", caveat)
    if untrained:
        return not_trained
    open_parts = [finding for finding in findings if not finding.holds]
    needed = max((finding.needed for finding in open_parts), key=_order_of_needs)
    return Verdict(claim, variant, UNDECIDED, _why(open_parts), needed, worst, tuple(findings), False, "", caveat)


def _on_maps(claim: Claim, variant: str, evidence: Evidence | None) -> str:
    """Return a note with the p-value for a claim to hold on at least `at_least` of its maps."""
    if not claim.at_least:
        return ""
    findings = [find(part, claim, variant, evidence) for part in claim.on_each_map]
    if not any(finding.estimate for finding in findings):
        return ""
    p_value = partial_conjunction(np.array([finding.p_values[0] for finding in findings]), claim.at_least)
    return f"on at least {claim.at_least} of {len(findings)} maps: p = {float(p_value):.2g}"


def _why(findings: Sequence[Finding]) -> str:
    """Return each reason once, with the undecided parts to which it applies."""
    labels: dict[str, list[str]] = {}
    for finding in findings:
        labels.setdefault(_reason(finding), []).extend(filter(None, [finding.part.label]))
    return "; ".join(f"{reason} ({', '.join(names)})" if names else reason for reason, names in labels.items())


def _reason(finding: Finding) -> str:
    region = finding.part.region
    edge = "margin" if np.isfinite([region.low, region.high]).all() else "threshold"
    if finding.reason:
        return finding.reason
    return (
        f"beyond the {edge}, but not significant for one of several parts"
        if finding.holds is False
        else (f"the interval includes the {edge}")
    )


def _order_of_needs(needed: str) -> float:
    """Return a sort key for numbers of needed seeds; needs that more seeds cannot meet come last."""
    if needed.isdigit():
        return int(needed)
    return {"at least 3": 0.0, "above 1000": 1e6}.get(needed, 1e9)
