"""Section of the report on claims: the count of each verdict, then every claim with verdicts, reasons and evidence."""

import re
from collections import Counter
from collections.abc import Set
from html import escape

import pandas as pd

from analysis import style
from analysis.claims import VARIANTS, VERDICTS

# Columns of the claims table that are listed as evidence of a verdict.
DETAILS = ["expected", "evidence", "beside", "why", "seeds needed", "nulls", "all parts", "engine", "scale"]
MENTION = re.compile(r"\b(figure|table)s? (\d+(?:(?:, | and )\d+)*)")


def section(table: pd.DataFrame, anchors: Set[str]) -> str:
    """Return the counts of verdicts and all claims, grouped by question.

    Args:
        table: Table of claims, as text.
        anchors: Names of the figures and tables on the page; mentions of these become links.
    """
    headline = table[table["variant"] != VARIANTS[1]]
    counts = Counter(headline["verdict"])
    listed = [*VERDICTS, *sorted(counts.keys() - set(VERDICTS))]
    tally = "".join(f"<li>{badge(verdict)} {counts[verdict]}</li>" for verdict in listed)
    digests = ", ".join(sorted(set(table["claims digest"])))
    lead = (
        f"{len(headline)} statements of the paper. The statements and their tests were fixed before the runs were "
        f"looked at (digest of claims.yaml: {escape(digests)}). The counts include the verdicts for "
        f"{escape(style.label(VARIANTS[0]))} (the paper's equations) and the claims without ROMA."
    )
    parts = [f"<p class='lead'>{lead}</p><ul class='tally'>{tally}</ul>"]
    for question, of_question in table.groupby("question", sort=False):
        parts.append(f"<h3>{escape(str(question).capitalize())}</h3>")
        parts += [_claim(rows, anchors) for _, rows in of_question.groupby("claim", sort=False)]
    return "".join(parts)


def badge(verdict: str) -> str:
    """Return a verdict as a coloured mark."""
    kind = verdict.split()[0] if verdict.removesuffix(" so far") in VERDICTS else ""
    return f"<span class='verdict {kind}'>{escape(verdict)}</span>"


def _claim(rows: pd.DataFrame, anchors: Set[str]) -> str:
    first = rows.iloc[0]
    verdicts = "".join(
        f"<li>{escape(style.label(row['variant']))} {badge(row['verdict'])}</li>" for row in rows.to_dict("records")
    )
    details = "".join(
        f"<dt>{escape(style.label(row['variant']))}: {escape(name)}</dt><dd>{escape(row[name])}</dd>"
        for row in rows.to_dict("records")
        for name in DETAILS
        if row.get(name)
    )
    return (
        f"<article class='claim' id='claim-{escape(first['claim'])}'><p>{escape(first['statement'])}"
        f" <span class='place'>{linked(first['place'], anchors)}</span></p><ul class='verdicts'>{verdicts}</ul>"
        f"<details><summary>Evidence</summary><dl>{details}</dl></details></article>"
    )


def linked(text: str, anchors: Set[str]) -> str:
    """Escape text and link the figures and tables that it mentions.

    Args:
        text: Plain text.
        anchors: Names of the figures and tables on the page.
    """

    def links(mention: re.Match[str]) -> str:
        stem = "fig{:02d}" if mention[1] == "figure" else "table{:d}"

        def link(number: re.Match[str]) -> str:
            name = stem.format(int(number[0]))
            return f"<a href='#{name}'>{number[0]}</a>" if name in anchors else number[0]

        return re.sub(r"\d+", link, mention[0])

    return MENTION.sub(links, escape(text))
