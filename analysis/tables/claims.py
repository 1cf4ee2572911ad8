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
    """Return one row per claim and variant.

    Args:
        summary: Folder of the tidy tables.
        specification: Entry of the figure list. `beside` lists further scales of the same engine, read if they have a
            summary: a scale that a claim names decides that claim alone, the other scales add missing arms.
    """
    listed = claims.load()
    alone = {claim.scale for claim in listed if claim.scale}
    present = summaries_beside(summary, specification)
    evidence = Evidence.read(summary, [folder for scale, folder in present.items() if scale not in alone])
    others = {scale: Evidence.read(folder) for scale, folder in present.items() if scale in alone}
    notes = [f"{evidence.origin}; digest of claims.yaml: {claims.claims_digest()}"]
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
        notes.insert(0, f"Verdicts for {claims.VARIANTS[0]}, the headline variant: {tally}")
        notes.append(
            "Evidence: estimate over seeds of the deciding part, with its interval at Holm's level within the question;"
            " 95 % for claims reported as estimates"
        )
        notes.append(
            "Beside: values that decide nothing, the same contrast of the final evaluations and the"
            " partial-conjunction p-value over maps"
        )
        notes.append(f"Power and error rates of the verdicts: {CHARACTERISTICS}")
        notes.append("So far: further seeds of the scale are still to be trained")
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
