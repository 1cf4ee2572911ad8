"""HTML of the report. Text from tables and files is escaped here; the script creates text nodes only."""

import base64
import hashlib
import json
from collections.abc import Iterable
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

import pandas as pd

from analysis.report.claims import back_links, mentions, outcome
from analysis.report.claims import section as claims_section
from analysis.report.contents import Contents, Picture
from analysis.report.mathematics import html
from analysis.summarise import engine_names

NAMED = ["claim", "statement"]
TWO_FILES = 2  # of a single panel: a figure with no more has one panel, which is the figure itself
WIDTH_IN_PNG = slice(16, 20)  # bytes of the header
DOTS_PER_PIXEL = 2  # of figures, on a page: their smallest text has the size of seven pixels
WEB = Path(__file__).parent / "web"
SCRIPTS = ("dom", "theme", "chart", "roles", "battle", "theatre", "runs", "main")  # in order of dependence


def render(contents: Contents) -> str:
    """Return the HTML of the whole page."""
    cited = {} if contents.claims is None else mentions(contents.claims)
    known = {} if contents.claims is None else dict(zip(*(contents.claims[name] for name in NAMED), strict=True))
    about = {name: back_links(claims, known) for name, claims in cited.items()}
    script = "\n".join((WEB / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    script = f'"use strict";\n(() => {{\n{script}}})();\n'
    sheet = (WEB / "style.css").read_text(encoding="utf-8")
    return Template((WEB / "page.html").read_text(encoding="utf-8")).substitute(
        script_digest=_digest(script),
        style_digest=_digest(sheet),
        style=sheet,
        script=script,
        data=json.dumps(contents.data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        scale=escape(contents.scale),
        digest=escape(contents.digest),
        facts=facts(contents),
        outcome=escape(outcome(contents.claims, contents.tables["runs"], contents.planned)),
        absent=absent(contents.missing),
        videos=links(contents.videos, "videos/"),
        claims=claims(contents),
        figures="".join(figure(picture, about.get(picture.name, "")) for picture in contents.figures),
        figure_index="".join(index_entry(picture) for picture in contents.figures),
        tables="".join(listing(picture, about.get(picture.name, "")) for picture in contents.listings),
        table_index="".join(index_entry(picture) for picture in contents.listings),
        runs=runs(contents),
    )


def facts(contents: Contents) -> str:
    """Return the facts at the top of the page: scale, engine, protocol, and numbers of runs, seeds and steps."""
    table = contents.tables["runs"]
    values = {
        "scale": contents.scale,
        "engine": _joined(engine_names(table)),
        "protocol": _joined(table["protocol"]),
        "runs": f"{len(table):,}",
        "maps": str(table["map"].nunique()),
        "arms": str(table["arm"].nunique()),
        "seeds": str(table["seed"].nunique()),
        "steps a run": _range(table["total_steps"]),
    }
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in values.items())


def absent(lines: list[str]) -> str:
    """Return the collapsible list of missing results; empty if nothing is missing."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    summary = f"<summary>Missing at this scale: {len(lines)}</summary>"
    return f"<details class='absent'>{summary}<ul>{items}</ul></details>" if lines else ""


def figure(picture: Picture, about: str = "") -> str:
    """Return a figure with links to its files, or a note that it is missing.

    A narrow window shows the single panels in the place of a figure of several maps. It scrolls other figures.

    Args:
        picture: The figure.
        about: Links to the claims that mention it.
    """
    image = picture.file("png")
    if image is None:
        return _article(picture, f"{picture.name} was not drawn: {picture.name}.png is not in the folder of this page.")
    words = f"{_heading(picture)}; the data are in {picture.name}.csv"
    single = [part for part in picture.parts if part.suffix == ".png"] if len(picture.parts) > TWO_FILES else []
    kind = "whole" if single else "sheet"
    shown = f"<div class='{kind}' tabindex='0' role='region' aria-label='{escape(words)}'>{_image(image, words)}</div>"
    if single:
        names = (part.stem.removeprefix(f"{picture.name}_") for part in single)
        each = "".join(_image(part, f"{words}: {name}") for part, name in zip(single, names, strict=True))
        shown += f"<div class='panels'>{each}</div>"
    panels = f"<details><summary>Single panels</summary>{links(picture.parts)}</details>" if picture.parts else ""
    caption = f"<figcaption>{links(picture.files)}{panels}{about}</figcaption>"
    return _article(picture, body=f"<figure>{shown}{caption}</figure>")


def _image(file: Path, words: str) -> str:
    """Return a picture with its width in a narrow window, in which it scrolls if it is wider."""
    raw = file.read_bytes()
    source = f"data:image/png;base64,{base64.b64encode(raw).decode()}"
    pixels = int.from_bytes(raw[WIDTH_IN_PNG], "big")
    return f"<img src='{source}' width='{pixels // DOTS_PER_PIXEL}' alt='{escape(words)}'>"


def listing(picture: Picture, about: str = "") -> str:
    """Return a table with caption and links to its files, or a note that it is missing.

    Args:
        picture: The table.
        about: Links to the claims that mention it.
    """
    readable, numbers = picture.file("md"), picture.file("csv")
    if readable:
        caption, frame = from_markdown(readable.read_text(encoding="utf-8"))
    elif numbers:
        caption, frame = "", pd.read_csv(numbers, dtype=str, keep_default_na=False)
    else:
        return _article(picture, f"{picture.name} was not made: {picture.name}.md is not in the folder of this page.")
    note = f"<p class='lead'>{html(caption)}</p>" if caption else ""
    return _article(picture, body=note + grid(frame, picture.name) + links(picture.files) + about)


def _article(picture: Picture, missing: str = "", body: str = "") -> str:
    """Return an article with heading, note and body."""
    state = " class='absent'" if missing else ""
    words = f"<p>{escape(missing)}</p>" if missing else ""
    return f"<article id='{escape(picture.name)}'{state}><h3>{escape(_heading(picture))}</h3>{words}{body}</article>"


def from_markdown(text: str) -> tuple[str, pd.DataFrame]:
    """Return caption and cells of a Markdown table written by `analysis.table`."""
    lines = [line.removeprefix("| ").removesuffix(" |") for line in text.splitlines() if line.startswith("|")]
    head, _, *body = [[cell.replace(r"\|", "|") for cell in line.split(" | ")] for line in lines]
    return text.splitlines()[0].strip("*"), pd.DataFrame(body, columns=head)


def claims(contents: Contents) -> str:
    """Return the section on claims, or a note that there are no verdicts."""
    if contents.claims is None:
        return "<p class='absent'>No verdicts: claims.csv is not in the folder of this page.</p>"
    anchors = {picture.name for picture in (*contents.figures, *contents.listings)}
    return claims_section(contents.claims, anchors) + links(contents.claims_files)


def runs(contents: Contents) -> str:
    """Return the table of all runs with their identity and, if known, their cost."""
    keys = ["map", "arm", "seed"]
    table = contents.tables["runs"]
    finals = contents.tables["finals"][[*keys, "battle_won_mean"]]
    table = table.merge(finals.rename(columns={"battle_won_mean": "final win rate"}), "left", on=keys)
    if "cost" in contents.tables:
        cost = contents.tables["cost"]
        table = table.merge(
            cost.drop(columns=[name for name in cost if name in table and name not in keys]), "left", keys
        )
    return grid(table.rename(columns=lambda name: name.replace("_", " ")), "runs")


def grid(table: pd.DataFrame, name: str) -> str:
    """Return a frame as a scrollable HTML table."""
    numeric = [" class='number'" if pd.api.types.is_numeric_dtype(table[column]) else "" for column in table.columns]
    head = "".join(
        f"<th scope='col'{kind}>{html(column)}</th>" for column, kind in zip(table.columns, numeric, strict=True)
    )

    def cell(kind: str, value: Any) -> str:
        text = "" if pd.isna(value) else f"{value:.4g}" if isinstance(value, float) else str(value)
        return f"<td{kind}>{html(text)}</td>"

    rows = "".join(f"<tr>{''.join(map(cell, numeric, row))}</tr>" for row in table.itertuples(index=False))
    return (
        f"<div class='scroll' tabindex='0' role='region' aria-label='{escape(name)}'><table id='table-{escape(name)}'>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def index_entry(picture: Picture) -> str:
    """Return the entry of a figure or table in an index."""
    state = "" if picture.files else " class='missing'"
    return f"<li{state}><a href='#{escape(picture.name)}'>{escape(_heading(picture))}</a></li>"


def links(files: Iterable[Path], folder: str = "") -> str:
    """Return links to files in the folder of the page, or in a folder below it."""
    items = "".join(f"<li><a href='{folder}{quote(file.name)}'>{escape(file.name)}</a></li>" for file in files)
    return f"<ul class='files'>{items}</ul>" if items else ""


def _heading(picture: Picture) -> str:
    """Return name and title, with fig04 as Figure 4 and table1 as Table 1."""
    name = picture.name
    for prefix, word in (("fig", "Figure"), ("table", "Table")):
        if name.startswith(prefix) and name.removeprefix(prefix).isdigit():
            name = f"{word} {int(name.removeprefix(prefix))}"
    return f"{name}: {picture.title}" if picture.title else name


def _joined(values: pd.Series) -> str:
    return ", ".join(sorted(set(values.astype(str))))


def _range(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
