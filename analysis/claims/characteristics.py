"""Operating characteristics of the verdicts, simulated over a grid of truths (docs/operating_characteristics.md)."""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from analysis.claims.entries import Claim, claims_digest
from analysis.claims.simulation import WORLDS, Point, Rates, coverage, on_tests, simulate
from roma.support.files import write_bytes

PAGE = Path("docs/operating_characteristics.md")
# The grid was fixed before the simulation. A lead of 0.05 equals the margin of the performance claims, where wrong
# verdicts are most likely.
LEADS = (-0.2, -0.1, 0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
DEVIATIONS = (0.05, 0.1, 0.2)
COLLAPSED = (0.0, 0.2)
SEEDS = (3, 5, 10)
GRID = tuple(Point(*truth) for truth in product(WORLDS, LEADS, DEVIATIONS, COLLAPSED, SEEDS))
# Outside the grid: only seeds of ROMA collapse. Most studies then see another mean than the mean over all seeds.
ONE_SIDED = tuple(Point("as stated", *truth, "roma") for truth in product(LEADS, DEVIATIONS, (0.2,), SEEDS))
DRAWS = 2000  # simulated studies at each point
DRAWS_OF_COVERAGE = 100_000
SEED = 0
ALLOWED = 0.05  # share of studies with a false verdict in a family
# Required power of the design without collapsed seeds: claim, seeds, deviation, lead, least power.
ASKED = (
    ("homogeneous_maps", 5, 0.1, 0.2, 0.70),
    ("heterogeneous_maps", 3, 0.1, 0.2, 0.60),
    ("homogeneous_maps", 5, 0.2, 0.5, 0.85),
    ("heterogeneous_maps", 5, 0.2, 0.5, 0.97),
)
SHOWN = (0.1, 0.2, 0.3, 0.5)  # leads whose power is on the page


HEAD = """# How often the verdicts are right

This page has the power and the error rates of the verdicts on the paper's claims. `roma claims --simulate` wrote it:
the command simulates whole studies whose truth is known and judges them with the code that judges the runs. There are
{points} points, with {draws:,} studies at each point (digest of the claims {claims}). The grid of points
(`analysis/claims/characteristics.py`) and the worlds (`analysis/claims/simulation.py`) were fixed before the
simulation.

- *World*, which of the paper's statements are true. "As stated": all of them. "ROMA alone": ROMA leads, and all other
  arms equal QMIX. "Many agents": ROMA leads only on the four maps that the paper names for their many agents. "Most
  agents": ROMA leads only on 10z5b_vs_2s3z. "Otherwise": MAVEN, `roma_td`, `qmix_nps` and `qmix_lar` lead as ROMA
  does, and `roma_td_ld` falls behind QMIX.
- *Lead* of ROMA over QMIX in true win rate: {leads}.
  In the world "as stated", it is the size of every effect that the paper states.
- *Deviation*, the standard deviation between seeds: {deviations}. The episodes of a run add binomial noise.
- *Collapsed*, the probability that a seed of any arm wins nothing: {collapsed}.
- *Seeds* of every arm: {seeds}.

A claim on roles is simulated by itself. Its lead is the distance of the value from the threshold and from the nulls, in
units of its measure. Claims that are reported as estimates or settled by construction have no rows.

## Power

Power is the share of studies in which a true claim is reproduced. If the power is low at an effect size that matters,
"undecided" is no evidence against the paper. The columns are named by the seeds n and the lead; the deviation is 0.1,
and numbers in brackets have 20 % of all seeds collapsed. The last column is the largest share of wrong verdicts on the
claim over the whole grid. [analysis/claims.yaml](../analysis/claims.yaml) has the statements of the claims.
"""
ASKED_FOR = "\n## Required power\n"
FAMILIES = """
## False verdicts of a family

At most {allowed:.0%} of studies may have any wrong verdict among the claims of a question. The table has the largest
share over the grid; in brackets its upper 95 % bound and its point: world, lead, deviation, collapsed.
"""
ALONE = """
## Collapsed seeds of ROMA only

The mean over seeds includes collapsed seeds, but a few seeds often contain none. If a fifth of ROMA's seeds collapse
and no seed of another arm does, many studies see a lead that the mean does not have, and t tests exceed 5 % false
verdicts. Therefore figures show every seed, so that readers can see collapsed ones. The world is "as stated".
"""
COVERAGE = """
## Coverage of Student's t intervals with collapsed seeds

Share of 95 % intervals that cover the mean over seeds (level 0.8, deviation 0.03):
"""


def run(claims: Sequence[Claim], points: Sequence[Point] = GRID, draws: int = DRAWS) -> pd.DataFrame:
    """Return one row per point for each claim and each family; `claim` is empty in the rows of families.

    The columns are those of the point, and question, claim, true, power and false. The random numbers of a point depend
    on its place in the grid only. Families without a claim on win rates are equal in all worlds and simulated in the
    first world only.

    Args:
        claims: All claims.
        points: Truths and sizes of the simulated studies.
        draws: Number of studies at each point.
    """
    depending = {claim.question for claim in claims if on_tests(claim)}
    rows = []
    for place, point in enumerate(points):
        chosen = [claim for claim in claims if claim.question in depending or point.world == next(iter(WORLDS))]
        rates = simulate(chosen, point, draws, np.random.default_rng([SEED, place]))
        rows += [vars(point) | _row(rate) for rate in rates]
    return pd.DataFrame(rows)


def _row(rate: Rates) -> dict[str, object]:
    return {"question": rate.question, "claim": rate.claim, "true": rate.true, "power": rate.power, "false": rate.false}


def upper_bound(share: float, draws: int) -> float:
    """Return the one-sided upper 95 % bound of a share of `draws` draws (Clopper and Pearson 1934)."""
    count = round(share * draws)
    return 1.0 if count == draws else float(beta.ppf(0.95, count + 1, draws - count))


def powers(table: pd.DataFrame) -> dict[tuple[Any, ...], float]:
    """Return the power of each claim at each point, in the first world in which the claim is true.

    Args:
        table: Result of `run`.

    Returns:
        The powers by claim, seeds of every arm, deviation between seeds, lead of ROMA over QMIX (both in win rate), and
        share of collapsed seeds. A claim that is true in no world has none.
    """
    at = ["claim", "seeds", "deviation", "lead", "collapsed"]
    return dict(table[table["true"]].drop_duplicates(at).set_index(at)["power"])


def write(claims: Sequence[Claim], page: Path, draws: int = DRAWS) -> pd.DataFrame:
    """Simulate the grid, write the page, and return the table of the grid.

    Args:
        claims: All claims.
        page: Markdown file to write.
        draws: Number of studies at each point.
    """
    table, one_sided = run(claims, GRID, draws), run(claims, ONE_SIDED, draws)
    write_bytes(page, "\n".join(_page(table, one_sided, draws)).encode())
    return table


def _page(table: pd.DataFrame, one_sided: pd.DataFrame, draws: int) -> Iterator[str]:
    yield HEAD.format(
        points=len(GRID),
        draws=draws,
        claims=claims_digest(),
        leads=_listed(LEADS),
        deviations=_listed(DEVIATIONS),
        collapsed=_listed(COLLAPSED),
        seeds=_listed(SEEDS),
    )
    yield from _powers(table)
    yield from (ASKED_FOR, "| claim | seeds | deviation | lead | asked | power |", "|---|---|---|---|---|---|")
    reached = powers(table)
    for claim, seeds, deviation, lead, least in ASKED:
        found = reached.get((claim, seeds, deviation, lead, 0.0), np.nan)
        yield f"| `{claim}` | {seeds} | {deviation} | {lead} | {least:.2f} | {found:.3f} |"
    yield FAMILIES.format(allowed=ALLOWED)
    yield from _families(table, draws)
    yield ALONE
    yield from _families(one_sided, draws)
    yield from (COVERAGE, "| seeds | none collapse | 20 % collapse |", "|---|---|---|")
    for seeds in SEEDS:
        shares = [coverage(seeds, collapsed, DRAWS_OF_COVERAGE) for collapsed in COLLAPSED]
        yield f"| {seeds} | " + " | ".join(f"{share:.2f}" for share in shares) + " |"
    yield ""


def _listed(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _powers(table: pd.DataFrame) -> Iterator[str]:
    columns = [f"n {seeds}, {lead:g}" for seeds in SEEDS[:2] for lead in SHOWN]
    yield "| claim | " + " | ".join([*columns, "wrong at most"]) + " |"
    yield "|---" * (len(columns) + 2) + "|"
    claims = table[table["claim"] != ""]
    worst, reached = claims.groupby("claim")["false"].max(), powers(table)
    for claim in claims["claim"].unique():
        cells = []
        for seeds, lead in product(SEEDS[:2], SHOWN):
            plain, collapsed = (reached.get((claim, seeds, 0.1, lead, share), np.nan) for share in COLLAPSED)
            cells.append(
                "–" if np.isnan(plain) else f"{plain:.2f}" + ("" if np.isnan(collapsed) else f" ({collapsed:.2f})")
            )
        yield f"| `{claim}` | " + " | ".join([*cells, f"{worst[claim]:.3f}"]) + " |"


def read_powers(page: str) -> dict[tuple[str, str], str]:
    """Return the powers that a written page shows, by claim and column such as "n 5, 0.2"."""
    found: dict[tuple[str, str], str] = {}
    columns: list[str] = []
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| claim | n "):
            columns = cells
        elif columns and line.startswith("| `"):
            found |= {(cells[0].strip("`"), name): cell for name, cell in zip(columns[1:], cells[1:], strict=True)}
        elif not line.startswith("|"):
            columns = []
    return found


def _families(table: pd.DataFrame, draws: int) -> Iterator[str]:
    yield "| family | n 3 | n 5 | n 10 |"
    yield "|---|---|---|---|"
    families = table[table["claim"] == ""]
    for question, rows in families.groupby("question", sort=False):
        cells = []
        for seeds in SEEDS:
            worst = rows[rows["seeds"] == seeds].nlargest(1, "false").iloc[0]
            where = f"{worst['world']}, {worst['lead']:g}, {worst['deviation']:g}, {worst['collapsed']:.0%}"
            cells.append(f"{worst['false']:.3f} (< {upper_bound(worst['false'], draws):.3f}; {where})")
        yield f"| {question} | " + " | ".join(cells) + " |"
