"""Writing of tables: CSV for programs, Markdown and LaTeX for readers."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from roma.support.files import write_bytes

ABSENT = "–"
TEX_ESCAPES = {character: f"\\{character}" for character in "&%#_{}$"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "λ": r"$\lambda$",
}
WIDE = 30  # characters; the text of wider columns is broken into lines


Shown = Sequence[str] | pd.DataFrame | None  # columns of a table, another layout of its numbers, or all columns


class Table(NamedTuple):
    """Table with its caption's notes, made from a summary."""

    frame: pd.DataFrame
    notes: Sequence[str] = ()  # sentences of the caption, without full stops
    groups: str | None = None  # column that groups the rows; a rule is drawn where its value changes
    shown: Shown = None  # what Markdown and LaTeX have; the CSV has the whole frame


def write(frame: pd.DataFrame, stem: Path, caption: str, groups: str | None = None, shown: Shown = None) -> None:
    """Write `<stem>.csv`, `<stem>.md` and `<stem>.tex` (packages booktabs and longtable).

    The CSV holds exact numbers. Markdown and LaTeX round to three digits and print a dash for missing values. Equal
    frames give equal bytes.

    Args:
        frame: Cells; column names and texts may contain mathematics between dollar signs.
        stem: Path of the files without their suffix.
        caption: Caption of the Markdown and LaTeX files.
        groups: Column that groups the rows; LaTeX draws a rule where its value changes.
        shown: Columns of the Markdown and LaTeX files, all by default; or a frame with another layout of the numbers.
    """
    write_bytes(stem.with_name(f"{stem.name}.csv"), frame.to_csv(index=False, lineterminator="\n").encode())
    layout = _layout(frame, shown)
    rows, names = _rows(layout), list(map(str, layout))
    write_bytes(stem.with_name(f"{stem.name}.md"), f"**{caption}**\n\n{_markdown(rows)}\n".encode())
    numeric = [pd.api.types.is_numeric_dtype(layout[name]) for name in layout]
    group = names.index(groups) if groups else None
    write_bytes(stem.with_name(f"{stem.name}.tex"), _latex(rows, numeric, caption, group).encode())


def markdown(table: Table) -> str:
    """Return a table as readers see it as lines of Markdown, without a caption."""
    return _markdown(_rows(_layout(table.frame, table.shown)))


def _layout(frame: pd.DataFrame, shown: Shown) -> pd.DataFrame:
    """Return the frame that readers see."""
    return shown if isinstance(shown, pd.DataFrame) else frame if shown is None else frame[list(shown)]


def _rows(frame: pd.DataFrame) -> list[list[str]]:
    """Return the head and the rows of a frame, as readers see them."""
    columns = [[_cell(value) for value in frame[name]] for name in frame]
    return [list(map(str, frame)), *map(list, zip(*columns, strict=True))]


def _markdown(rows: Sequence[list[str]]) -> str:
    ruled = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in ruled)


def _latex(rows: Sequence[list[str]], numeric: Sequence[bool], caption: str, group: int | None) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    wide = sum(width > WIDE for width in widths)
    paragraph = f"p{{{0.7 / max(wide, 1):.2f}\\linewidth}}"
    columns = [
        paragraph if width > WIDE else "r" if number else "l" for width, number in zip(widths, numeric, strict=True)
    ]
    head, *body = [" & ".join(map(escape, row)) + r" \\" for row in rows]
    lines = [rf"\begin{{longtable}}{{{''.join(columns)}}}", rf"\caption{{{escape(caption)}}}\\", r"\toprule", head]
    lines += [r"\midrule", r"\endhead"]
    for place, line in enumerate(body, start=1):
        if group is not None and place > 1 and rows[place][group] != rows[place - 1][group]:
            lines.append(r"\midrule")
        lines.append(line)
    return "\n".join([*lines, r"\bottomrule", r"\end{longtable}", ""])


def with_interval(value: float, low: float, high: float) -> str:
    """Format a number to two decimals, with its interval unless that is NaN."""
    value_text, low_text, high_text = (f"{round(each, 2) + 0.0:.2f}" for each in (value, low, high))  # no -0.00
    return value_text if math.isnan(low) else f"{value_text} [{low_text}, {high_text}]"


def escape(text: str) -> str:
    """Escape text for LaTeX, except mathematics between dollar signs."""
    parts = re.split(r"(\$[^$]+\$)", text)
    return "".join(
        part if place % 2 else "".join(TEX_ESCAPES.get(character, character) for character in part)
        for place, part in enumerate(parts)
    )


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return " ".join(str(value).split())
