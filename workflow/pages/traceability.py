"""Traceability: checks docs/traceability.yaml, which links each part of the paper to code and tests, and renders it.

    roma docs traceability

A row names code, settings, rule, output and test. It is an error if a row has no code or no test, if a target does not
exist, or if a part of the paper has no row. The rows of panels and claims come from the figure list and the list of
claims.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from analysis import FIGURES, claims
from analysis.measures import moments
from roma import learners
from roma.runs.config import resolve
from roma.runs.directory import RunDirectory
from roma.runs.loop import TEST_METRICS
from roma.runs.protocols import PRESETS
from roma.support.errors import UserError
from roma.support.files import write_bytes
from roma.support.schemas.reading import read_yaml
from workflow.grid import figure_files

SOURCE = Path("docs/traceability.yaml")
PAGE = Path("docs/traceability.md")
RULES = Path("workflow/rules")
SCALE = Path("workflow/config/paper.yaml")
MAP = "MMM2"  # any map: none of the settings depends on it
RUN = RunDirectory(Path())
RUN_FILES = tuple(
    path.name
    for path in (RUN.config_file, RUN.metrics_file, RUN.provenance_file, RUN.evaluation_folder, RUN.policy_folder)
)

# Numbered items of the paper, by section; each of them must have a row.
NUMBERED = {
    "Equations": [f"Eq. {number}" for number in range(1, 23)],
    "Figures": [f"Figure {number}" for number in range(1, 14)],
    "Tables": ["Table 1", "Table 2"],
}
COLUMNS = ("code", "settings", "rule", "output", "test")


@dataclass(frozen=True)
class Row:
    """Part of the paper, its content in our words, and its targets by column."""

    item: str
    what: str
    code: tuple[str, ...] = ()  # file:symbol
    settings: tuple[str, ...] = ()  # algorithm.key, protocol.key or scale.key = value, or an entry of a list
    rule: tuple[str, ...] = ()
    output: tuple[str, ...] = ()  # file, or metrics.parquet:column
    test: tuple[str, ...] = ()  # file::function
    note: str = ""


def load(source: Path = SOURCE) -> dict[str, list[Row]]:
    """Return the rows of each section, including those of panels and claims."""
    listed = read_yaml(source)
    specifications = read_yaml(FIGURES)
    sections = {name: [_row(entry) for entry in entries] for name, entries in listed["sections"].items()}
    for name, entries in listed["shown"].items():
        sections[name] = [row for entry in entries for row in _shown(entry, specifications)]
    sections["Claims"] = list(_claims(listed["claims"]))
    return sections


def _row(entry: Mapping[str, Any]) -> Row:
    targets: dict[str, Any] = {
        name: tuple([value] if isinstance(value, str) else value)
        for name, value in entry.items()
        if name in ("code", "rule", "output", "test")
    }
    settings = tuple(f"{key} = {value}" for key, value in entry.get("settings", {}).items())
    return Row(entry["item"], entry["what"], **targets, settings=settings, note=entry.get("note", ""))


def _shown(entry: Mapping[str, Any], specifications: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the row of a figure or table in the figure list, and the rows of its panels."""
    name = entry["shown"]
    if name not in specifications:
        raise UserError(f"{SOURCE}: {entry['item']} is shown by {name}, which is not in {FIGURES.name}")
    figure = specifications[name]
    if "plot" in figure:
        code = f"analysis/figures/{figure['plot']}.py:draw"
    else:
        code = f"analysis/tables/{figure['table'].replace('.', '/')}.py:table"
    targets: dict[str, Any] = {
        "code": (code,),
        "settings": (f"figures.yaml {name}",),
        "rule": (name,),
        "test": (entry["test"],),
    }
    files = figure_files(name, figure)
    yield Row(entry["item"], entry["what"], output=tuple(file for file in files if Path(file).stem == name), **targets)
    for map_name in figure.get("maps", []) if "plot" in figure else []:
        part = tuple(file for file in files if Path(file).stem == f"{name}_{map_name}")
        for place in _places(figure, map_name):
            yield Row(f"{entry['item']}, {map_name}", place, output=part, **targets)


def _places(figure: Mapping[str, Any], map_name: str) -> list[str]:
    """Return descriptions of the parts of a map's panel in a figure."""
    if "stages" in figure:
        return [f"Roles after {stage:,} steps" if stage else "Roles before training" for stage in figure["stages"]]
    if "moments" in figure:
        shown = "Battlefield" if figure["plot"] == "battlefield" else "Roles"
        return [f"{shown}: {moments.name(moment)}" for moment in figure["moments"][map_name]]
    return ["Panel of this map"]


def _claims(tests: Mapping[str, str]) -> Iterator[Row]:
    """Yield the row of every claim; `tests` has the test for each kind of claim."""
    for claim in claims.load():
        kind = claim.parts[0].kind if claim.parts else "settled"
        if kind not in tests:
            raise UserError(f"{SOURCE}: no test is named for claims of the kind {kind!r}, such as {claim.id}")
        yield Row(
            claim.place[:1].upper() + claim.place[1:],
            claim.statement,
            code=("analysis/claims/verdicts.py:judge",),
            settings=(f"claims.yaml {claim.id}",),
            rule=("claims",),
            output=("claims.csv",),
            test=(tests[kind],),
        )


def problems(sections: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Yield a line for each missing row, missing column and lost target."""
    for section, items in NUMBERED.items():
        present = {row.item for row in sections.get(section, ())}
        yield from (f"{item}: no row" for item in items if item not in present)
    for rows in sections.values():
        for row in rows:
            yield from (f"{row.item}: no {column}" for column in ("code", "test") if not getattr(row, column))
            yield from (f"{row.item}: {problem}" for problem in _lost_targets(row))


def _lost_targets(row: Row) -> Iterator[str]:
    for target in (*row.code, *(test.replace("::", ":") for test in row.test)):
        file, _, symbol = target.partition(":")
        if not Path(file).is_file():
            yield f"there is no file {file}"
        elif symbol and symbol not in symbols(Path(file)):
            yield f"{file} has no {symbol}"
    for setting in row.settings:
        yield from _lost_setting(setting)
    yield from (f"there is no rule {rule}" for rule in row.rule if rule not in rule_names())
    for output in row.output:
        file, _, column = output.partition(":")
        if file not in output_files():
            yield f"nothing makes {file}"
        elif column and column not in metrics():
            yield f"{file} has no column {column}"


def _lost_setting(setting: str) -> Iterator[str]:
    name, equals, value = setting.partition(" = ")
    if not equals:
        return  # an entry of the figure list or of the claims; it exists, because the row was made from it
    owner, _, key = name.partition(".")
    if owner in PRESETS:
        values: Any = PRESETS[owner].protocol
    elif owner == "scale":
        values = SimpleNamespace(**read_yaml(SCALE))
    else:
        values = resolve(map=MAP, algorithm=owner, seed=0).hyperparameters
    if not hasattr(values, key):
        yield f"{owner} has no setting {key}"
    elif str(getattr(values, key)) != value:
        yield f"{name} is {getattr(values, key)}, not {value}"


@cache
def symbols(file: Path) -> frozenset[str]:
    """Return the names of functions, classes and constants of a module; names in classes as Class.name."""

    def names(body: Sequence[ast.stmt], prefix: str = "") -> Iterator[str]:
        for statement in body:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                yield prefix + statement.name
                if isinstance(statement, ast.ClassDef):
                    yield from names(statement.body, f"{prefix}{statement.name}.")
            elif isinstance(statement, ast.Assign | ast.AnnAssign):
                targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))

    return frozenset(names(ast.parse(file.read_text(encoding="utf-8")).body))


@cache
def rule_names() -> frozenset[str]:
    """Return the names of the rules of the DAG; rules of figures and tables have the names of these."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(RULES.glob("*.smk"))]
    named = {name for text in texts for name in re.findall(r"^rule (\w+):", text, re.MULTILINE)}
    return frozenset(named | set(read_yaml(FIGURES)))


@cache
def output_files() -> frozenset[str]:
    """Return the names of the files that rules write."""
    shown = read_yaml(FIGURES)
    files = {file for name, figure in shown.items() for file in figure_files(name, figure)}
    return frozenset(files | set(RUN_FILES))


@cache
def metrics() -> frozenset[str]:
    """Return the columns of metrics.parquet, over all learners."""
    families = {learners.algorithm(name).family for name in learners.algorithm_names()}
    classes = [import_module(f"roma.learners.{family}.learner").Learner for family in families]
    return frozenset(TEST_METRICS).union(*(learner.stat_names + learner.diagnostic_names for learner in classes))


def render(sections: Mapping[str, Sequence[Row]]) -> str:
    """Return the page as Markdown."""
    lines = [
        "# From the paper to this repository",
        "",
        "Where this repository has each equation, hyper-parameter, figure, table and claim of the paper. A row names",
        "the code, the settings as a run resolves them, the Snakemake rule, the file or column with the result, and",
        f"a test. `roma docs traceability` writes this page from [{SOURCE.name}]({SOURCE.name}). A test fails if a",
        "row has no target, a target does not exist, or this page is not up to date.",
    ]
    for section, rows in sections.items():
        lines += ["", f"## {section}", "", "| part | in our words | code | setting | rule | output | test |"]
        lines += ["|---|---|---|---|---|---|---|", *map(_line, rows)]
    return "\n".join([*lines, ""])


def _line(row: Row) -> str:
    words = " ".join(f"{row.what}. {row.note}".split()) if row.note else " ".join(row.what.split())
    cells = [row.item, words.removesuffix("."), *(_cell(getattr(row, column)) for column in COLUMNS)]
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _cell(targets: Sequence[str]) -> str:
    return "<br>".join(map(_linked, targets))


def _linked(target: str) -> str:
    file, _, symbol = target.partition(":")
    if "/" not in file:
        return f"`{target}`"
    return f"[`{symbol.removeprefix(':') or Path(file).name}`](../{file})"


def write() -> None:
    """Write the page.

    Raises:
        UserError: A row or a target is missing; nothing is written.
    """
    sections = load()
    lost = list(problems(sections))
    if lost:
        raise UserError(f"{SOURCE}: {lost[0]}" + (f" (and {len(lost) - 1} more)" if lost[1:] else ""))
    write_bytes(PAGE, render(sections).encode())
