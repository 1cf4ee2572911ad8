"""Claims of the paper and their verdicts, by comparisons fixed in advance (claims.yaml, docs/analysis_plan.md).

`entries` reads the claims, `findings` estimates them from runs, `verdicts` decides them within families, `simulation`
computes the power and the error rates of the verdicts, and `characteristics` writes the page with these rates.
"""

from analysis.claims.entries import (
    CLAIMS,
    EITHER,
    NULLS,
    SCHEMA,
    VARIANTS,
    Claim,
    Part,
    Term,
    claims_digest,
    load,
)
from analysis.claims.findings import Finding
from analysis.claims.verdicts import (
    CONTRADICTED,
    ESTIMATED,
    NOT_TRAINED,
    NOT_VALIDATED,
    REPRODUCED,
    SETTLED,
    UNDECIDED,
    VERDICTS,
    WITHHELD,
    Verdict,
    judge,
)

__all__ = [
    "CLAIMS",
    "CONTRADICTED",
    "EITHER",
    "ESTIMATED",
    "NOT_TRAINED",
    "NOT_VALIDATED",
    "NULLS",
    "REPRODUCED",
    "SCHEMA",
    "SETTLED",
    "UNDECIDED",
    "VARIANTS",
    "VERDICTS",
    "WITHHELD",
    "Claim",
    "Finding",
    "Part",
    "Term",
    "Verdict",
    "claims_digest",
    "judge",
    "load",
]
