"""Files that people write, held against a schema: one line says what is wrong and where."""

from pathlib import Path
from typing import Any

import jsonschema
import yaml
from yaml.error import MarkedYAMLError

from roma.support.errors import UserError, suggestion


def read_yaml(file: Path) -> Any:
    """Return the content of a YAML file.

    Raises:
        UserError: It cannot be read; the message is one line and says where it is wrong.
    """
    try:
        return yaml.safe_load(file.read_bytes())  # of bytes, YAML finds out the encoding itself
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        words = " ".join(filter(None, (error.context, error.problem)))
        raise UserError(f"{file}{place}: this is not YAML: {words}") from None
    except (yaml.YAMLError, OSError) as error:
        raise UserError(f"{file} cannot be read: {' '.join(str(error).split())}") from None


def check_schema(value: Any, schema: Path, source: str) -> None:
    """UserError of one line where `value`, read from `source`, breaks the schema; unknown keys come first."""
    validator = jsonschema.Draft202012Validator(read_yaml(schema))
    errors = list(validator.iter_errors(value))
    if not errors:
        return
    unknown_keys = [error for error in errors if error.validator == "additionalProperties"]
    error = unknown_keys[0] if unknown_keys else jsonschema.exceptions.best_match(errors)
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    if unknown_keys:
        known = sorted(error.schema["properties"])
        key = next(key for key in error.instance if key not in known)
        name = f"{where}.{key}" if where else key
        raise UserError(f"{source}: {name} is not a known key{suggestion(key, known)}; known: {', '.join(known)}")
    raise UserError(f"{source}: {where or 'top level'}: {error.message.splitlines()[0]}")
