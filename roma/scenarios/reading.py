"""Reader of map and unit files, one JSON file each."""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from roma.scenarios.checks import check_map, check_unit
from roma.scenarios.facts import Map, Unit
from roma.support.errors import UserError, unknown

ROOT = Path(str(resources.files("roma.scenarios")))

Facts = TypeVar("Facts", Map, Unit)


@cache
def load_units() -> dict[str, Unit]:
    """Read and check all unit types; return them by name.

    Raises:
        UserError: A file is wrong.
    """
    units = {}
    for file in sorted((ROOT / "units").glob("*.json")):
        unit = read(Unit, file)
        check_unit(unit, file.name)
        units[unit.name] = unit
    return units


@cache
def load_map(name: str) -> Map:
    """Read and check the map of a canonical name.

    Raises:
        UserError: The file is wrong.
    """
    file = ROOT / "maps" / f"{name}.json"
    scenario = read(Map, file)
    check_map(scenario, load_units(), file.name)
    return scenario


def read(kind: type[Facts], file: Path) -> Facts:
    """Return the content of one map or unit file.

    Args:
        kind: Map or Unit.
        file: The JSON file.

    Raises:
        UserError: A field is missing, unknown or not of its type; the message names file and field.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_without_duplicates)
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read: {error}") from error
    facts: Facts = _build(kind, value, file.name)
    return facts


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for i, (name, _) in enumerate(pairs):
        if name in dict(pairs[:i]):
            raise ValueError(f"field {name!r} is given twice")
    return dict(pairs)


def _build(kind: Any, value: Any, where: str) -> Any:
    """Convert JSON to `kind`: a dataclass, list, tuple, dictionary, text or number."""
    if isinstance(kind, UnionType):
        return None if value is None else _build(get_args(kind)[0], value, where)
    if is_dataclass(kind):
        return _build_dataclass(kind, value, where)
    if get_origin(kind) is list:
        if not isinstance(value, list):
            raise UserError(f"{where}: expected a list, found {value!r}")
        return [_build(get_args(kind)[0], item, f"{where}[{i}]") for i, item in enumerate(value)]
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        if not isinstance(value, list) or len(value) != len(kinds):
            raise UserError(f"{where}: expected a list of {len(kinds)}, found {value!r}")
        return tuple(_build(kinds[i], item, f"{where}[{i}]") for i, item in enumerate(value))
    if get_origin(kind) is dict:
        if not isinstance(value, dict):
            raise UserError(f"{where}: expected an object, found {value!r}")
        return {key: _build(get_args(kind)[1], item, f"{where}.{key}") for key, item in value.items()}
    if kind is str:
        if not isinstance(value, str):
            raise UserError(f"{where}: expected a text, found {value!r}")
        return value
    if kind is bool:
        if not isinstance(value, bool):
            raise UserError(f"{where}: expected true or false, found {value!r}")
        return value
    return _build_number(kind, value, where)


def _build_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise UserError(f"{where}: expected an object, found {value!r}")
    names = [field.name for field in fields(kind)]
    for name in value:
        if name not in names:
            raise UserError(f"{where}: {unknown('field', name, names)}")
    for field in fields(kind):
        if field.name not in value and field.default is MISSING:
            raise UserError(f"{where}: field {field.name!r} is missing")
    hints = get_type_hints(kind)
    return kind(**{name: _build(hints[name], value[name], f"{where}: {name}") for name in value})


def _build_number(kind: type[int] | type[float], value: Any, where: str) -> int | float:
    """Convert JSON to a finite number that is not negative. No number in a map or unit file is negative."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UserError(f"{where}: expected {'a whole number' if kind is int else 'a number'}, found {value!r}")
    if not math.isfinite(value):
        raise UserError(f"{where}: {value} is not finite")
    if kind is int and value != int(value):
        raise UserError(f"{where}: expected a whole number, found {value!r}")
    if value < 0:
        raise UserError(f"{where}: {value} is negative")
    return kind(value)
