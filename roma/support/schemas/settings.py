"""Settings: dataclass fields with default, help, source and bound, and the conversion of text to their types.

Every value that a user may set is such a field: hyper-parameters, protocols, the settings of an engine, the keys of
scale files. The field is the only place that states these facts. `roma settings`, the settings table, the schema of
scale files and docs/settings.md are generated from it.
"""

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache
from numbers import Real
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from roma.support.errors import UserError, unknown

METADATA = "facts"  # key in the metadata of a field


class Bound(NamedTuple):
    """Range of valid numbers: from `least` to `most`, without `least` itself if `is_open`."""

    least: float = -math.inf
    most: float = math.inf
    is_open: bool = False

    def holds(self, number: float) -> bool:
        """Return whether a number is valid; NaN never is."""
        return self.least <= number <= self.most and not (self.is_open and number == self.least)

    def __str__(self) -> str:
        """Return the bound in words that follow "must be"; empty if there is no bound."""
        if self.most < math.inf:
            return f"between {self.least:g} and {self.most:g}"
        return "" if self.least == -math.inf else f"{'above' if self.is_open else 'at least'} {self.least:g}"

    def json_schema(self) -> dict[str, float]:
        """Return the bound as keywords of a JSON schema."""
        least = {"exclusiveMinimum" if self.is_open else "minimum": self.least} if self.least > -math.inf else {}
        return least | ({"maximum": self.most} if self.most < math.inf else {})


ANY = Bound()
NOT_NEGATIVE = Bound(0)
POSITIVE = Bound(0, is_open=True)
SHARE = Bound(0, 1)
AT_LEAST_ONE = Bound(1)


class Facts(NamedTuple):
    """Documentation and bound of a setting.

    Attributes:
        help: One line: the meaning of the setting, with its unit.
        source: Origin of the default.
        bound: Range of valid numbers; for a list, of each of its numbers.
    """

    help: str = ""
    source: str = ""
    bound: Bound = ANY


@dataclass(frozen=True, slots=True)
class Settings:
    """Base of dataclasses whose fields are settings.

    Raises:
        UserError: A value is out of bounds.
    """

    def __post_init__(self) -> None:
        for name, kind in kinds(type(self)).items():
            check_value(name, getattr(self, name), kind, facts(self.__dataclass_fields__[name]).bound)


def setting(default: Any = MISSING, help: str = "", source: str = "", bound: Bound = NOT_NEGATIVE) -> Any:
    """Return a dataclass field for a setting, with its documentation and bound.

    Args:
        default: Default value; without one the setting is required.
        help: One line: the meaning of the setting, with its unit.
        source: Origin of the default.
        bound: Range of valid numbers; for a list, of each of its numbers.
    """
    return field(default=default, metadata={METADATA: Facts(help, source, bound)})


def same_setting(settings: type[Settings], name: str) -> Any:
    """Return a field with the default and the facts of the field `name` of another dataclass."""
    original = settings.__dataclass_fields__[name]
    return field(default=original.default, metadata=original.metadata)


def facts(of: Field[Any]) -> Facts:
    """Return the documentation and the bound of a field."""
    said: Facts = of.metadata.get(METADATA, Facts())
    return said


def kinds(settings: Any) -> dict[str, Any]:
    """Return the types of the fields of a dataclass, by name and in the order of the fields."""
    return _kinds(settings)


@cache
def _kinds(settings: Any) -> dict[str, Any]:
    hints = get_type_hints(settings)
    return {each.name: hints[each.name] for each in fields(settings)}


def check_value(name: str, value: Any, kind: Any, bound: Bound) -> None:
    """Check that a value is one of its choices, and that all its numbers are finite and within the bound.

    Args:
        name: Name of the setting, for messages.
        value: Value, already converted to its type.
        kind: Type of the setting, as in `parse`.
        bound: Range of valid numbers.

    Raises:
        UserError: The value is not valid.
    """
    if get_origin(kind) is Literal and value not in get_args(kind):
        raise unknown(f"value of {name}", value, get_args(kind))
    for number in value if isinstance(value, tuple) else (value,):
        if kind in (int, float) and not (isinstance(number, Real) and math.isfinite(number)):
            raise UserError(f"{name} = {value} must be {describe(kind)}")
        if isinstance(number, Real) and not bound.holds(float(number)):
            shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
            raise UserError(f"{name} = {shown} must be {bound}")


def parse(key: str, value: Any, kind: Any) -> Any:
    """Return a value, possibly text, converted to the type of a setting.

    Numbers may have any spelling of YAML or a command line: 2000000, 2e6, 2_000_000, "5", 1.0.

    Args:
        key: Name of the setting, for messages.
        value: Value as the user wrote it.
        kind: Type of the setting: bool, int, float, str, Literal, `kind | None` or a tuple of any length.

    Raises:
        UserError: The value cannot be converted.
    """
    wrong = UserError(f"{key} = {str(value)!r} is not {describe(kind)}")
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        for choice in arguments:
            if str(choice) == str(value):
                return choice
        raise unknown(f"value of {key}", value, map(str, arguments))
    if origin in (Union, types.UnionType):  # of the form `kind | None`
        if value is None or value == "none":
            return None
        return parse(key, value, next(argument for argument in arguments if argument is not type(None)))
    if origin is tuple:
        parts = value.split(",") if isinstance(value, str) and value != "none" else value
        if parts == "none":
            return ()
        if not isinstance(parts, list | tuple):
            raise wrong
        return tuple(parse(key, part, arguments[0]) for part in parts)
    if kind is bool and str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    if kind in (int, float) and (number := _number(value, kind)) is not None:
        return number
    if kind is str and isinstance(value, str):
        return value
    raise wrong


def _number(value: Any, kind: type[int] | type[float]) -> int | float | None:
    """Return a value as a finite number of this kind; None if it is not one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        if kind is int and not isinstance(value, float):
            return int(value)  # exact, however large
    except ValueError:
        pass  # perhaps 1e5, which is a whole number, too
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return kind(number) if math.isfinite(number) and (kind is float or number.is_integer()) else None


def describe(kind: Any) -> str:
    """Return a type in words that follow "is not"."""
    arguments = get_args(kind)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if get_origin(kind) is tuple:
        return f"a list of which each is {describe(arguments[0])}"
    if get_origin(kind) is Mapping:
        return f"{describe(arguments[1])} for each name"
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join("none" if part is type(None) else describe(part) for part in arguments)
    return {int: "a whole number", float: "a finite number", bool: "true or false"}.get(kind, "text")


def text(value: Any) -> str:
    """Return a value as text that `parse` reads: true, false, none, a list with commas."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ",".join(map(text, value)) or "none"
    return str(value)


def valid(kind: Any, bound: Bound) -> str:
    """Return the valid values of a setting in a few words, for tables."""
    if get_origin(kind) is tuple:
        return f"list, each a {valid(get_args(kind)[0], bound)}"
    if get_origin(kind) is Literal:
        return ", ".join(map(str, get_args(kind)))
    words = {int: "whole number", float: "number", bool: "true, false"}.get(kind, "text")
    return f"{words} {bound}" if kind in (int, float) and bound != ANY else words
