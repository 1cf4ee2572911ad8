"""Verdicts on the paper's claims, for the paper's equations and for the authors' released code."""

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import claims
from analysis.claims.evidence import Evidence
from analysis.summarise import summaries_beside, withheld
from analysis.table import Table

SHOWN = ["question", "claim", "statement", "place", "variant", "verdict", "evidence", "beside", "why", "seeds needed"]
CHARACTERISTICS = "docs/operating_characteristics.md"


def table(summary: Path, specification: dict[str, Any]) -> Table:
    """`specification` names in `beside` the scales of the same engine that are read as well, where they have a summary.

    Those that a claim names are judged alone; of the others come the arms that the summary lacks.
    """
    listed = claims.load()
    alone = {claim.scale for claim in listed if claim.scale}
    present = summaries_beside(summary, specification)
    evidence = Evidence(summary, [folder for scale, folder in present.items() if scale not in alone])
    others = {scale: Evidence(folder) for scale, folder in present.items() if scale in alone}
    notes = [f"On the {evidence.engine}, scale {evidence.scale}, claims {claims.claims_digest()}"]
    if reason := withheld(summary):
        verdicts = [
            claims.Verdict(claim, variant, claims.WITHHELD, reason) for claim in listed for variant in claim.variants
        ]
        notes.insert(0, f"All verdicts are withheld {reason}")
    else:
        verdicts = claims.judge(listed, evidence, others)
        counts = Counter(str(verdict) for verdict in verdicts if verdict.variant != claims.VARIANTS[1])
        words = [*claims.VERDICTS, *sorted(counts.keys() - set(claims.VERDICTS))]
        tally = ", ".join(f"{counts[word]} {word}" for word in words)
        notes.insert(0, f"{claims.VARIANTS[0]}, the headline: {tally}")
        notes.append("Evidence: the part that decides, with Holm's interval within its question; of an estimate, 95 %")
        notes.append(
            "Beside: what decides nothing, the same contrast of the final evaluations and the p-value on k maps"
        )
        notes.append(f"How often an undecided claim is true: {CHARACTERISTICS}")
        notes.append("So far: seeds that the scale trains are to come")
    return Table(pd.DataFrame([_row(verdict, evidence, others) for verdict in verdicts]), notes, "question", SHOWN)


def _row(verdict: claims.Verdict, evidence: Evidence, others: dict[str, Evidence]) -> dict[str, Any]:
    claim, deciding = verdict.claim, verdict.evidence
    estimate = deciding.estimate if deciding else None
    low, high = estimate.interval(deciding.alpha) if deciding and estimate else (None, None)
    source = others.get(claim.scale, evidence) if claim.scale else evidence
    return {
        "question": claim.question,
        "claim": claim.id,
        "statement": claim.statement,
        "place": claim.place,
        "variant": verdict.variant,
        "verdict": str(verdict),
        "evidence": str(deciding) if estimate else None,
        "beside": _beside(verdict) or None,
        "why": "; ".join(filter(None, [verdict.why, verdict.caveat])) or None,
        "seeds needed": verdict.needed or None,
        "expected": claim.expectation or None,
        "parts": len(claim.parts),
        "nulls": ", ".join(claim.nulls) or None,
        "estimate": float(estimate.value) if estimate else None,
        "final evaluation": deciding.evaluation if deciding else None,
        "low": low,
        "high": high,
        "level": 1 - deciding.alpha if deciding and estimate else None,
        "seeds": deciding.seeds if deciding and estimate else None,
        "all parts": "; ".join(map(str, verdict.findings)) or None,
        "engine": source.engine,
        "scale": source.scale,
        "claims digest": claims.claims_digest(),
    }


def _beside(verdict: claims.Verdict) -> str:
    evaluation = verdict.evidence.evaluation if verdict.evidence else None
    evaluated = f"final evaluations {evaluation:.3g}" if evaluation is not None else ""
    return "; ".join(filter(None, [evaluated, verdict.on_maps]))
