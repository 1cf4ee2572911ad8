"""The paper's claims, each judged by a comparison that was fixed beforehand (claims.yaml, docs/analysis_plan.md).

`entries` reads what is claimed, `findings` estimates it from runs, `verdicts` decides within families, `simulation`
says how often those verdicts are right and wrong, `characteristics` writes that down.
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
