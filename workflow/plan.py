"""Cost of each tranche of a scale, and the claims that it can decide.

A tranche can decide a claim if, after it, all runs that the claim compares have all their seeds and the least steps
that the claim requires. Preliminary verdicts ("so far") may exist earlier. A claim may also stay undecided, if its
interval is too wide.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis import claims
from analysis.claims import Claim, Part
from roma.support.errors import UserError
from workflow.cost import Cell, Speed, cell_of
from workflow.grid import Grid, Run, expand
from workflow.scale import read_scale

HEADLINE = claims.VARIANTS[0]
PRIMARY = "primary"  # claims of this question are marked


def report(source: Path, speeds: Mapping[Cell, Speed]) -> str:
    """Return runs, core-hours and claims of each tranche as text.

    Args:
        source: File of the scale.
        speeds: Measured speeds, by cell.

    Raises:
        UserError: The scale has no tranches, or its file is not valid.
    """
    grid = expand(read_scale(source), str(source))
    if not grid.tranches:
        raise UserError(f"{source} has no tranches: roma cost {source.stem} prints its cost")
    listed = claims.load()
    deciding = {claim.id: deciding_tranche(claim, grid) for claim in listed if HEADLINE not in claim.settled}
    lines = [f"{'tranche':<9}{'new runs':>9}{'extended':>9}{'core-hours':>14}{'in all':>9}  claims that it can decide"]
    total = 0.0
    for tranche in grid.tranches:
        new, extended, hours, unknown = tranche_cost(tranche, grid, speeds)
        total += hours
        ids = [_marked(claim) for claim in listed if deciding.get(claim.id) == tranche]
        shown = [f"{hours:,.1f}", f"{total:,.0f}"] if not unknown else ["not measured", ""]
        row = f"{tranche:<9}{new:>9}{extended:>9}{shown[0]:>14}{shown[1]:>9}  "
        lines.append((row + (" ".join(ids) or "none")).rstrip())
    never = [claim.id for claim in listed if deciding.get(claim.id, "") is None]
    settled = [claim.id for claim in listed if claim.id not in deciding]
    return "\n".join(
        [
            *lines,
            "",
            f"not trained: {' '.join(never) or 'none'}",
            f"settled by construction: {' '.join(settled) or 'none'}",
            "claims marked * are primary (docs/analysis_plan.md)",
        ]
    )


def deciding_tranche(claim: Claim, grid: Grid) -> str | None:
    """Return the tranche after which a claim can be decided; None if no tranche is enough."""
    place = max(_place(part, claim, grid) for part in claim.parts)
    return grid.tranches[place] if place < len(grid.tranches) and claim.scale is None else None


def _place(part: Part, claim: Claim, grid: Grid) -> int:
    """Return the index of the tranche that completes all runs of a part; the number of tranches if none does."""
    needed = 0
    for cell in part.cells:
        runs = [run for run in grid.runs.values() if (run.map, run.arm) == cell]
        if not runs:
            return len(grid.tranches)
        needed = max(needed, *(_reached(run, claim, grid) for run in runs))
    return needed


def _reached(run: Run, claim: Claim, grid: Grid) -> int:
    """Return the index of the first tranche that trains a run for the least steps of a claim."""
    least = claim.least_steps(run.config.protocol, run.map)
    enough = [grid.tranches.index(name) for name, steps in run.tranches.items() if steps >= least]
    return min(enough, default=len(grid.tranches))


def tranche_cost(tranche: str, grid: Grid, speeds: Mapping[Cell, Speed]) -> tuple[int, int, float, bool]:
    """Return the numbers of new and extended runs of a tranche, its core-hours, and whether a speed is missing."""
    new, extended, hours, unknown = 0, 0, 0.0, False
    place = grid.tranches.index(tranche)
    for run in grid.runs.values():
        before = _steps(run, grid.tranches[:place])
        more = _steps(run, grid.tranches[: place + 1]) - before
        if more:
            new, extended = new + (not before), extended + bool(before)
            speed = speeds.get(cell_of(run))
            unknown |= speed is None
            hours += more / speed.steps_per_cpu_second / 3600 if speed else 0.0
    return new, extended, hours, unknown


def _steps(run: Run, tranches: Sequence[str]) -> int:
    return max((steps for name, steps in run.tranches.items() if name in tranches), default=0)


def _marked(claim: Claim) -> str:
    return f"{claim.id}*" if claim.question == PRIMARY else claim.id
