"""Settings of an algorithm for `roma settings`: default, resolved value, valid values, source and help."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any

from roma import envs, learners
from roma.runs.config import resolve
from roma.runs.protocols import PRESETS, Protocol
from roma.support.schemas.settings import Settings, facts, kinds, text, valid

MAP = "3m"  # any map: no setting depends on it
KINDS = ("protocol", "algorithm", "engine")
COLUMNS = ("setting", "default", "value", "valid", "source", "help")


@dataclass(frozen=True, slots=True)
class Described:
    """Setting of an algorithm.

    Attributes:
        kind: One of KINDS.
        setting: Name of the setting.
        default: Default of its field.
        value: Resolved value under a protocol, without overrides.
        valid: Valid values, in words.
        source: Origin of the resolved value.
        help: One line: the meaning of the setting, with its unit.
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
    """Return all settings of an algorithm by name: settings of the protocol, hyper-parameters, settings of the engine.

    The source of a value is that of the variant if the variant overrides it, otherwise that of the protocol if the
    protocol sets it, otherwise that of the default.

    Args:
        algorithm: Name of the algorithm.
        protocol: Name of the protocol.
        engine: Name of the engine.

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

    Args:
        algorithm: Name of the algorithm.
        protocol: Name of the protocol.
        engine: Name of the engine.
        as_json: Return JSON instead of columns.

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
