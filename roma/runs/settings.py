"""What may be set for an algorithm, what it resolves to, and where each value comes from: `roma settings`."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any

from roma import envs, learners
from roma.runs.config import resolve
from roma.runs.protocols import PRESETS, Protocol
from roma.support.settings import Settings, facts, kinds, text, valid

MAP = "3m"  # on which settings are resolved; none depends on the map
KINDS = ("protocol", "algorithm", "engine")
COLUMNS = ("setting", "default", "value", "valid", "source", "help")


@dataclass(frozen=True, slots=True)
class Described:
    """One setting of an algorithm.

    Attributes:
        kind: Which of KINDS it belongs to.
        setting: Its name.
        default: The default of its field.
        value: What it resolves to under a protocol, without overrides.
        valid: The valid values, in words.
        source: Where the resolved value comes from.
        help: One line: what it is, with its unit.
    """

    kind: str
    setting: str
    default: Any
    value: Any
    valid: str
    source: str
    help: str


@cache
def describe(algorithm: str, protocol: str = "paper", engine: str = envs.EMBEDDED) -> dict[str, Described]:
    """Return every setting of an algorithm by name: those of the protocol, of the algorithm, of the engine.

    The source of a value is that of the variant that overrides it, else that of the protocol that brings it, else that
    of the default.

    Raises:
        UserError: One of the names does not exist.
    """
    config = resolve(MAP, algorithm, 0, protocol, engine)
    specification, preset = learners.algorithm(algorithm), PRESETS[protocol]
    classes: tuple[type[Settings], ...] = (Protocol, specification.config_class, envs.settings_class(engine))
    values, described = config.settings(), {}
    for kind, settings in zip(KINDS, classes, strict=True):
        for field in fields(settings):
            name, said = field.name, facts(field)
            source = specification.sources.get(name, said.source)
            if name not in {**specification.overrides, **specification.protocol_settings} and (
                kind == "protocol" or name in preset.hyperparameters
            ):
                source = preset.source
            bounds = valid(kinds(settings)[name], said.bound)
            described[name] = Described(kind, name, field.default, values[name], bounds, source, said.help)
    return described


def report(algorithm: str, protocol: str = "paper", engine: str = envs.EMBEDDED, as_json: bool = False) -> str:
    """Return the settings of an algorithm as columns, or as JSON.

    Raises:
        UserError: One of the names does not exist.
    """
    found = describe(algorithm, protocol, engine).values()
    if as_json:
        return json.dumps([asdict(each) for each in found], indent=2)
    lines = []
    rows = [[text(getattr(each, column)) for column in COLUMNS] for each in found]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    for kind in KINDS:
        lines += ["", f"{kind} ({dict(zip(KINDS, (protocol, algorithm, engine), strict=True))[kind]})"]
        lines += [_line(COLUMNS, widths)]
        lines += [_line(row, widths) for row, each in zip(rows, found, strict=True) if each.kind == kind]
    return "\n".join(lines[1:])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
