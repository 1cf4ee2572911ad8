"""Structured files declared by dataclasses: `convert` converts their values, `json_schema` describes them.

A key is a field made by `roma.support.schemas.settings.setting`; a key without a default is required. The items of a
list must differ, unless they are structures. A list or a `Mapping` must not be empty; a `dict` may be.
"""

import re
import types
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, ClassVar, Literal, Union, get_args, get_origin

from roma.support.errors import UserError, suggestion
from roma.support.schemas.settings import ANY, Bound, check_value, describe, facts, kinds, parse


class Matching(str):
    """Text of a given form; subclasses define the form."""

    __slots__ = ()
    PATTERN: ClassVar[str]  # regular expression of the whole text
    FORM: ClassVar[str]  # the form in words, for messages


class Name(Matching):
    """Name that may be part of a path."""

    __slots__ = ()
    PATTERN = "[A-Za-z0-9_]+"
    FORM = "letters, digits and _"


def convert(value: Any, kind: Any, where: str = "", bound: Bound = ANY) -> Any:
    """Return a value from YAML or a command line with every part converted to its type.

    Structures become plain dictionaries, and tuples plain lists.

    Args:
        value: Value as it was read; numbers may be text, in any spelling.
        kind: Dataclass, `Mapping[str, ...]`, `dict[str, ...]`, `tuple[..., ...]`, scalar type, or a union of these. A
            value of type `Any` is not converted.
        where: Path of the value in the file, for messages, such as cells[0].maps.
        bound: Range of valid numbers.

    Raises:
        UserError: A key is unknown or missing, or a value has the wrong type; the message lists what is valid.
    """
    kind = getattr(kind, "__supertype__", kind)  # unwrap a NewType
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return convert(value, _alternative(value, arguments, where), where, bound)
    if is_dataclass(kind):
        return _members(value, kind, where)
    if _shape(kind) == "mapping":
        return _entries(value, kind, where, bound)
    if origin is tuple:
        return _items(value, arguments[0], where, bound)
    if isinstance(kind, type) and issubclass(kind, Matching):
        if not isinstance(value, str) or not re.fullmatch(kind.PATTERN, value):
            raise UserError(f"{where}: {str(value)!r} does not match {kind.PATTERN} ({kind.FORM})")
        return value
    converted = parse(where, value, kind)
    check_value(where, converted, kind, bound)
    return converted


def json_schema(kind: Any, bound: Bound = ANY) -> dict[str, Any]:
    """Return the JSON schema of the values that `convert` returns for a type.

    Args:
        kind: Type, as in `convert`; a NewType becomes a reference to its definition.
        bound: Range of valid numbers.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if hasattr(kind, "__supertype__"):
        return {"$ref": f"#/$defs/{kind.__name__.lower()}"}
    if kind is Any:
        return {"type": ["string", "number", "boolean", "array"]}
    if origin in (Union, types.UnionType):
        return {"anyOf": [json_schema(each, bound) for each in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if is_dataclass(kind):
        return _object_schema(kind)
    if _shape(kind) == "mapping":
        names = {"propertyNames": json_schema(arguments[0])} if arguments[0] is not str else {}
        least = {"minProperties": 1} if origin is Mapping else {}
        return {"type": "object", **least, **names, "additionalProperties": json_schema(arguments[1], bound)}
    if origin is tuple:
        once = {} if is_dataclass(arguments[0]) else {"uniqueItems": True}
        return {"type": "array", "minItems": 1, **once, "items": json_schema(arguments[0], bound)}
    if isinstance(kind, type) and issubclass(kind, Matching):
        return {"type": "string", "pattern": f"^{kind.PATTERN}$"}
    limits = bound.json_schema() if kind in (int, float) else {}
    return {"type": {int: "integer", float: "number", bool: "boolean", str: "string"}[kind]} | limits


def _object_schema(kind: Any) -> dict[str, Any]:
    properties, required = {}, []
    for field in fields(kind):
        said = facts(field)
        properties[field.name] = {"description": said.help} | json_schema(kinds(kind)[field.name], said.bound)
        required += [field.name] if field.default is MISSING else []
    needed = {"required": required} if required else {}
    return {"type": "object", "additionalProperties": False, **needed, "properties": properties}


def _members(value: Any, kind: Any, where: str) -> dict[str, Any]:
    """Return the converted values of a structure, by key."""
    given, known = _mapping(value, where), {field.name: field for field in fields(kind)}
    for key in given:
        if key not in known:
            name, near = _below(where, key), suggestion(key, known)
            raise UserError(f"{name} is not a known key{near}; known: {', '.join(sorted(known))}")
    for name, field in known.items():
        if field.default is MISSING and name not in given:
            raise UserError(f"{_below(where, name)} is missing: {facts(field).help}")
    types_of = kinds(kind)
    return {
        key: convert(each, types_of[key], _below(where, key), facts(known[key]).bound) for key, each in given.items()
    }


def _entries(value: Any, kind: Any, where: str, bound: Bound) -> dict[str, Any]:
    """Return the converted entries of a mapping with arbitrary keys."""
    given, origin, kinds_of = _mapping(value, where), get_origin(kind), get_args(kind)
    if not given and origin is Mapping:
        raise UserError(f"{where} must not be empty")
    return {
        convert(key, kinds_of[0], where): convert(each, kinds_of[1], _below(where, key), bound)
        for key, each in given.items()
    }


def _items(value: Any, kind: Any, where: str, bound: Bound) -> list[Any]:
    """Return the converted items of a list; text is split at commas."""
    given = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise UserError(f"{where} = {str(value)!r} is not {describe(tuple[kind, ...])}")
    items = [convert(each, kind, f"{where}[{place}]", bound) for place, each in enumerate(given)]
    if not items:
        raise UserError(f"{where} must not be empty")
    if not is_dataclass(kind) and len(set(items)) < len(items):
        raise UserError(f"{where} names {next(each for each in items if items.count(each) > 1)} twice")
    return items


def _alternative(value: Any, kinds_of: tuple[Any, ...], where: str) -> Any:
    """Return the member of a union with the shape of a value: mapping, list, or the first scalar that accepts it."""
    shape = "mapping" if isinstance(value, Mapping) else "list" if isinstance(value, list | tuple) else "scalar"
    candidates = [kind for kind in kinds_of if _shape(kind) == shape]
    if not candidates:
        raise UserError(f"{where} = {str(value)!r} is not {' or '.join(map(describe, kinds_of))}")
    for kind in candidates[:-1]:
        with suppress(UserError):
            convert(value, kind, where)
            return kind
    return candidates[-1]


def _shape(kind: Any) -> str:
    origin = get_origin(kind)
    if is_dataclass(kind) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return "mapping"
    return "list" if origin is tuple else "scalar"


def _mapping(value: Any, where: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise UserError(f"{where or 'the file'} must be a mapping of keys to values, not {str(value)!r}")
    return value


def _below(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)
