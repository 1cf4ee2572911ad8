"""Tables of our training runs and the released ones, as Markdown and as rows of CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from roma.recordings.calibrate.comparison import Summary
from roma.recordings.calibrate.learned.comparison import Curve, Group
from roma.recordings.calibrate.requirements import learned_requirements
from roma.recordings.calibrate.statistics import PhaseLength
from roma.recordings.calibrate.tables import markdown

EMPTY = "–"


def page(groups: Sequence[Group], missing: Sequence[str]) -> str:
    """Return the complete comparison as Markdown.

    Args:
        groups: The compared runs.
        missing: Lines on missing runs, from `comparison.missing`.
    """
    parts = [
        "Test win rate in % / test return. At 10k, 20k and 30k steps: the test nearest to the step. From 50k on: the "
        "mean of the five tests centred on the nearest one, or (*) of the last five where a run ends there. Median "
        "over runs, and lowest to highest. A number in brackets: so many of our runs have reached the step. Released: "
        "complete runs.\n"
    ]
    parts += [f"{_title(group)}\n\n{curve_table(group)}" for group in groups]
    parts.append(
        "Length of training episodes in timesteps: twice the mean of what was left of the running episode when a test "
        "became due, ± standard error. Long episodes weigh more, in the game's runs as in ours. Released: all runs.\n"
    )
    parts += [f"{_title(group)}\n\n{length_table(group)}" for group in groups if group.lengths]
    checked = learned_requirements(groups)
    if checked:
        rows = [(row.asked, row.measured, row.verdict) for row in checked]
        parts.append(f"Requirements:\n\n{markdown(('asked', 'measured', 'verdict'), rows)}")
    if missing:
        parts.append("Missing:\n\n" + "".join(f"- {line}\n" for line in missing))
    return "\n".join(parts)


def curve_table(group: Group) -> str:
    """Return the learning curves of a group and of the released runs as Markdown, one column per checkpoint."""
    complete = max((curve.win_rate.count for curve in group.released_curves), default=0)
    shifted = ["*" if shift else "" for shift in group.shifted]
    ours = [
        _median(curve) + star + (f" ({curve.win_rate.count})" if curve.win_rate.count < len(group.runs) else "")
        for curve, star in zip(group.curves, shifted, strict=True)
    ]
    rows = [("ours", str(len(group.runs)), *ours)]
    if len(group.runs) > 1:
        rows.append(("ours, lowest to highest", "", *map(_range, group.curves)))
    if complete:
        rows.append(("released", str(complete), *map(_median, group.released_curves)))
        rows.append(("released, lowest to highest", "", *map(_range, group.released_curves)))
    return markdown(("", "runs", *(thousands(step) for step in group.checkpoints)), rows)


def length_table(group: Group) -> str:
    """Return the episode lengths of a group and of the released runs as Markdown, one column per phase of training."""
    header = [
        f"{thousands(first)} to {thousands(last)}" + (f", ours to {thousands(group.end)}" if group.end < last else "")
        for first, last in group.phases
    ]
    rows = [("ours", str(len(group.runs)), *map(_length, group.lengths))]
    if group.released:
        rows.append(("released", str(len(group.released)), *map(_length, group.released_lengths)))
    return markdown(("", "runs", *header), rows)


def curve_rows(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Return learning curves as rows of a CSV file, one per group and checkpoint; win rates are fractions."""
    rows = []
    for group in groups:
        for step, shifted, ours, released in zip(
            group.checkpoints, group.shifted, group.curves, group.released_curves, strict=True
        ):
            row = _identity(group) | {"step": step, "ends_there": shifted}
            for name, curve in (("ours", ours), ("released", released)):
                row |= {f"{name}_runs": curve.win_rate.count}
                row |= _columns(f"{name}_win_rate", curve.win_rate) | _columns(f"{name}_return", curve.returns)
            rows.append(row)
    return rows


def length_rows(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Return episode lengths as rows of a CSV file, one per group and phase, in timesteps."""
    rows = []
    for group in groups:
        for (first, last), ours, released in zip(group.phases, group.lengths, group.released_lengths, strict=True):
            row = _identity(group) | {"first_step": first, "last_step": last, "ours_until": min(last, group.end)}
            for name, length in (("ours", ours), ("released", released)):
                row |= {
                    f"{name}_tests": length.tests if length else 0,
                    f"{name}_length": length.length if length else None,
                    f"{name}_error": length.error if length else None,
                }
            rows.append(row)
    return rows


def thousands(step: int) -> str:
    """Return a number of environment steps in the form 0, 10k or 1.5M."""
    if step >= 1_000_000:
        return f"{step / 1e6:.3g}M"
    return f"{step / 1e3:.0f}k" if step else "0"


def _title(group: Group) -> str:
    seeds = ", ".join(str(run.seed) for run in group.runs)
    return f"**{group.map}, {group.algorithm}** ({group.label}; seeds {seeds})"


def _identity(group: Group) -> dict[str, Any]:
    first = group.runs[0]
    return {
        "map": group.map,
        "algorithm": group.algorithm,
        "engine": first.engine,
        "settings": " ".join(first.settings),
        "seeds": " ".join(str(run.seed) for run in group.runs),
    }


def _columns(name: str, summary: Summary) -> dict[str, float | None]:
    values = {"median": summary.median, "lowest": summary.low, "highest": summary.high}
    return {f"{name}_{statistic}": value if summary.count else None for statistic, value in values.items()}


def _median(curve: Curve) -> str:
    return f"{100 * curve.win_rate.median:.0f} / {curve.returns.median:.1f}" if curve.win_rate.count else EMPTY


def _range(curve: Curve) -> str:
    if not curve.win_rate.count:
        return EMPTY
    rate, returns = curve.win_rate, curve.returns
    return f"{100 * rate.low:.0f} to {100 * rate.high:.0f} / {returns.low:.1f} to {returns.high:.1f}"


def _length(length: PhaseLength | None) -> str:
    return f"{length.length:.0f} ± {length.error:.0f}" if length else EMPTY
