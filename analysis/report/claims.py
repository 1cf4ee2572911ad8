"""Section of the report on claims: the count of each verdict, then every claim with verdicts, reasons and evidence.

The sentence on the outcome at the top of the page comes from the same table, and so do the links from figures and
tables back to the claims that mention them.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from html import escape

import pandas as pd

from analysis import style
from analysis.claims import CONTRADICTED, REPRODUCED, VARIANTS, VERDICTS, WITHHELD
from analysis.report.mathematics import html

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


def outcome(table: pd.DataFrame | None, runs: pd.DataFrame, planned: int) -> str:
    """Return the outcome in one sentence.

    Args:
        table: Table of claims, as text; None if there is none.
        runs: Table of runs.
        planned: Number of runs that the scale trains, now or later.
    """
    finished = f"{len(runs)} of {max(planned, len(runs))} planned runs"
    of_roma = int((runs["arm"] == VARIANTS[0]).sum())
    trained = f"{finished} are finished, {of_roma or 'none'} of them of {style.label(VARIANTS[0])}"
    if table is None:
        return f"There are no verdicts on the paper's claims; {trained}."
    headline = table.loc[table["variant"] != VARIANTS[1], "verdict"].str.removesuffix(" so far")
    if (headline == WITHHELD).any():
        return f"The verdicts on the paper's {len(headline)} claims are withheld; {trained}."
    reproduced, contradicted = (int((headline == verdict).sum()) for verdict in (REPRODUCED, CONTRADICTED))
    if not reproduced + contradicted:
        return f"No experiment has decided any of the paper's {len(headline)} claims so far: {trained}."
    return (
        f"On this engine, experiments reproduce {reproduced}, contradict {contradicted} and leave open "
        f"{len(headline) - reproduced - contradicted} of the paper's {len(headline)} claims; {trained}."
    )


def mentions(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the claims whose place mentions each figure or table, by the name of the figure or table."""
    found: dict[str, list[str]] = {}
    for claim, place in table[["claim", "place"]].drop_duplicates("claim").itertuples(index=False):
        for mention in MENTION.finditer(place):
            for number in re.findall(r"\d+", mention[0]):
                found.setdefault(_stem(mention[1], int(number)), []).append(claim)
    return found


def _stem(kind: str, number: int) -> str:
    return f"fig{number:02d}" if kind == "figure" else f"table{number}"


def back_links(claims: Sequence[str], statements: Mapping[str, str]) -> str:
    """Return links to claims, each with its statement as title."""
    items = "".join(
        f"<li><a href='#claim-{escape(claim)}' title='{escape(statements[claim])}'>{escape(claim.replace('_', ' '))}"
        "</a></li>"
        for claim in dict.fromkeys(claims)
    )
    return f"<details class='mentions'><summary>Claims about it: {len(set(claims))}</summary><ul>{items}</ul></details>"


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
        f"<dt>{escape(style.label(row['variant']))}: {escape(name)}</dt><dd>{html(row[name])}</dd>"
        for row in rows.to_dict("records")
        for name in DETAILS
        if row.get(name)
    )
    return (
        f"<article class='claim' id='claim-{escape(first['claim'])}'><p>{html(first['statement'])}"
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
        def link(number: re.Match[str]) -> str:
            name = _stem(mention[1], int(number[0]))
            return f"<a href='#{name}'>{number[0]}</a>" if name in anchors else number[0]

        return re.sub(r"\d+", link, mention[0])

    return MENTION.sub(links, escape(text))
