"""Tables of untrained play, as Markdown and as rows of a CSV file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from roma.recordings.calibrate.comparison import Comparison, Lengths, Summary
from roma.recordings.calibrate.requirements import requirements


def page(comparisons: Sequence[Comparison]) -> str:
    """Return the complete comparison as Markdown: four tables with notes."""
    return "\n".join(
        [
            "Length of random play in timesteps: median [10 % to 90 % quantile], longest, time-outs. Published: first "
            "episode of each released run.\n",
            random_table(comparisons),
            "Mean length of 8 episodes in timesteps. Ours: random play, median [10 % to 90 % quantile]. Published: the "
            "first 8 episodes of each COMA run, median [lowest to highest]; their policy is near random only, an "
            "untrained softmax mixed half and half with uniform actions.\n",
            near_random_table(comparisons),
            "Greedy tests of untrained networks, 32 episodes each, and SMAC's scripted policy. Networks, "
            "ours : published: median [lowest to highest]; inside: those of ours within the published extremes.\n",
            policy_table(comparisons),
            "Requirements:\n",
            requirement_table(comparisons),
        ]
    )


def random_table(comparisons: Sequence[Comparison]) -> str:
    """Return the lengths of random episodes as Markdown, ours and published, one row per map."""
    header = (
        *("map", "episodes", "ours", "longest", "time-outs", "published", "longest", "time-outs", "runs"),
        *("95 % interval of the published median", "inside", "longer than the longest published", "KS p", "won"),
    )
    rows = []
    for row in comparisons:
        low, high = row.median_interval
        rows.append(
            (
                *(row.map, f"{row.random.episodes:,}", *_lengths(row.random)),
                *(*_lengths(row.random_published), str(row.random_published.episodes)),
                *(f"{low:g} to {high:g}", "yes" if row.median_inside else "**no**", f"{row.beyond_longest:.1%}"),
                *(p_value(row.random_p), f"{row.random_win_rate:.1%}"),
            )
        )
    return markdown(header, rows)


def near_random_table(comparisons: Sequence[Comparison]) -> str:
    """Return means of 8 episode lengths as Markdown, ours and those of COMA's first episodes, one row per map."""
    rows = [
        (
            row.map,
            f"{row.near_random.median:.1f} [{row.near_random.low:.1f} to {row.near_random.high:.1f}]",
            f"{row.near_random_published.median:.1f} "
            f"[{row.near_random_published.low:.1f} to {row.near_random_published.high:.1f}]",
            str(row.near_random_published.count),
        )
        for row in comparisons
    ]
    return markdown(("map", "ours", "published", "runs"), rows)


def policy_table(comparisons: Sequence[Comparison]) -> str:
    """Return tests of untrained networks and win rates of the scripted policy as Markdown, one row per map."""
    header = (
        *("map", "networks", "return", "published", "inside", "KS p", "win rate", "published", "inside"),
        *("scripted policy wins", "published"),
    )
    rows = []
    for row in comparisons:
        count = row.network_returns.count
        rows.append(
            (
                *(row.map, f"{count} : {row.network_returns_published.count}"),
                *(_returns(row.network_returns), _returns(row.network_returns_published)),
                *(_of(row.network_returns_inside, count), p_value(row.network_returns_p) if count else "not played"),
                *(_rates(row.network_win_rates), _rates(row.network_win_rates_published)),
                *(_of(row.networks_inside, count), f"{row.scripted_win_rate:.0%}"),
                f"{row.scripted_published:.0%} ({row.scripted_source})",
            )
        )
    return markdown(header, rows)


def requirement_table(comparisons: Sequence[Comparison]) -> str:
    """Return the requirements with measured values and verdicts as Markdown."""
    rows = [(row.asked, row.measured, row.verdict) for row in requirements(comparisons)]
    return markdown(("asked", "measured", "verdict"), rows)


def sensitivity_table(measured: Mapping[str, Sequence[Comparison]]) -> str:
    """Return median length of random play, KS p and scripted win rate as Markdown: rows are settings, columns maps."""
    maps = [row.map for row in next(iter(measured.values()))]
    rows = [(label, *map(sensitivity_cell, comparisons)) for label, comparisons in measured.items()]
    return markdown(("setting", *maps), rows)


def sensitivity_cell(row: Comparison) -> str:
    """Return the numbers of one map under one setting."""
    return f"{row.random.median:g}, p {p_value(row.random_p)}, {row.scripted_win_rate:.0%}"


def flat(row: Comparison) -> dict[str, Any]:
    """Return a comparison as one row of a CSV file; nested summaries become columns `name_field`."""
    columns: dict[str, Any] = {}
    for name, value in asdict(row).items():
        if isinstance(value, dict):
            columns |= {f"{name}_{field}": part for field, part in value.items()}
        elif isinstance(value, tuple):
            columns |= {f"{name}_low": value[0], f"{name}_high": value[1]}
        else:
            columns[name] = value
    return columns | {"median_inside": row.median_inside}


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def p_value(p: float) -> str:
    """Return a p-value as text, with a bound for values below 0.001."""
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _lengths(lengths: Lengths) -> tuple[str, str, str]:
    return (
        f"{lengths.median:g} [{lengths.low:.0f} to {lengths.high:.0f}]",
        str(lengths.longest),
        f"{lengths.timeouts:.1%}" if lengths.timeouts else "0",
    )


def _returns(summary: Summary) -> str:
    return f"{summary.median:.2f} [{summary.low:.2f} to {summary.high:.2f}]" if summary.count else "not played"


def _rates(summary: Summary) -> str:
    if not summary.count:
        return "not played"
    return f"{summary.median:.0%} [{100 * summary.low:.0f} to {summary.high:.0%}]" if summary.high else "0%"


def _of(count: int, total: int) -> str:
    return f"{count} of {total}" if total else "not played"
