"""Operating characteristics of the verdicts, simulated over a grid of truths: docs/operating_characteristics.md."""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import beta

from analysis.claims.entries import Claim, claims_digest
from analysis.claims.simulation import WORLDS, Point, Rates, coverage, on_tests, simulate
from roma.support.files import write_bytes

PAGE = Path("docs/operating_characteristics.md")
# Written before it was run. 0.05 is the margin of the claims on performance, at which a wrong verdict is likeliest.
LEADS = (-0.2, -0.1, 0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
DEVIATIONS = (0.05, 0.1, 0.2)
COLLAPSED = (0.0, 0.2)
SEEDS = (3, 5, 10)
GRID = tuple(Point(*truth) for truth in product(WORLDS, LEADS, DEVIATIONS, COLLAPSED, SEEDS))
# Not in the grid: seeds of ROMA collapse, and of no other arm. The mean over seeds is then not what most studies see.
ONE_SIDED = tuple(Point("as stated", *truth, "roma") for truth in product(LEADS, DEVIATIONS, (0.2,), SEEDS))
DRAWS = 2000  # studies at each point
DRAWS_OF_COVERAGE = 100_000
SEED = 0
ALLOWED = 0.05  # false verdicts of a family
# What the design was asked for: claim, seeds, deviation, lead, least power; no seed collapsed.
ASKED = (
    ("homogeneous_maps", 5, 0.1, 0.2, 0.70),
    ("heterogeneous_maps", 3, 0.1, 0.2, 0.60),
    ("homogeneous_maps", 5, 0.2, 0.5, 0.85),
    ("heterogeneous_maps", 5, 0.2, 0.5, 0.97),
)
SHOWN = (0.1, 0.2, 0.3, 0.5)  # leads whose power stands on the page


HEAD = """# How often a verdict is right

Made by `roma claims --simulate`: whole studies in which the truth is known, judged by the code that judges the runs.
{points} points, {draws:,} studies at each, claims {claims}. Grid (`analysis/claims/characteristics.py`) and worlds
(`analysis/claims/simulation.py`) were written before they were run.

- *Lead* of ROMA over QMIX in true win rate: {leads}.
  In the world "as stated" it is the size of every effect that the paper states; in the other worlds some of its
  statements are false.
- *Deviation* between seeds: {deviations}; what a run's battles add comes on top.
- *Collapsed*: a seed of any arm wins nothing, with probability {collapsed}.
- *Seeds* of every arm: {seeds}.

A claim on roles is simulated by itself: the lead is how far its value lies beyond its threshold and its nulls, in the
units of its measure. Claims that are reported as estimates, and what is settled by construction, have no rows.

## What "undecided" means

Power is the share of studies in which a true claim is reproduced. Where it is low at the size of effect that a reader
cares for, "undecided" says nothing about the paper. Columns: seeds n and lead, at deviation 0.1; in brackets with 20 %
of all seeds collapsed. Last column: the largest share of wrong verdicts on the claim over the whole grid.
"""
ASKED_FOR = "\n## Powers that were asked for\n"
FAMILIES = """
## False verdicts of a family

At most {allowed:.0%} of studies may have any wrong verdict among the claims of a question. The largest share over the
grid; in brackets its upper 95 % bound, and where it is: world, lead, deviation, collapsed.
"""
ALONE = """
## When seeds of ROMA alone collapse

The mean over seeds counts collapsed ones, and a few seeds often show none. If a fifth of ROMA's seeds collapse and no
other arm's do, many studies see a lead that the mean does not have, and t tests do not keep 5 % then. So every seed is
drawn, for readers to see a collapse that was there; one that was not is no part of a verdict. The world is "as stated".
"""
COVERAGE = """
## Student's t with collapsed seeds

Share of 95 % intervals that cover the mean over seeds (level 0.8, deviation 0.03):
"""


def run(claims: Sequence[Claim], points: Sequence[Point] = GRID, draws: int = DRAWS) -> pd.DataFrame:
    """Return a row for each claim and each family at each point, a family's with an empty `claim`.

    The columns are those of the point, and question, claim, true, power and false. A point's studies depend on its
    place in the grid and on nothing else. Families without a claim on win rates are alike in all worlds, and simulated
    in the first.
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
    """Return the one-sided 95 % bound above a share of so many draws (Clopper and Pearson 1934)."""
    count = round(share * draws)
    return 1.0 if count == draws else float(beta.ppf(0.95, count + 1, draws - count))


def power(table: pd.DataFrame, claim: str, seeds: int, deviation: float, lead: float, collapsed: float = 0.0) -> float:
    """Return a claim's power at a point, in the first world where it is true; NaN where it is true in none."""
    at = {"claim": claim, "seeds": seeds, "deviation": deviation, "lead": lead, "collapsed": collapsed, "true": True}
    chosen = table.loc[np.logical_and.reduce([table[name] == value for name, value in at.items()]), "power"]
    return float(chosen.iloc[0]) if len(chosen) else float("nan")


def write(claims: Sequence[Claim], page: Path, draws: int = DRAWS) -> pd.DataFrame:
    """Simulate the grid, write the page, and return the grid's table."""
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
    for claim, seeds, deviation, lead, least in ASKED:
        reached = power(table, claim, seeds, deviation, lead)
        yield f"| `{claim}` | {seeds} | {deviation} | {lead} | {least:.2f} | {reached:.3f} |"
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
    worst = claims.groupby("claim")["false"].max()
    for claim in claims["claim"].unique():
        cells = []
        for seeds, lead in product(SEEDS[:2], SHOWN):
            plain, collapsed = (power(table, claim, seeds, 0.1, lead, share) for share in COLLAPSED)
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
