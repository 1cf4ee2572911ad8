"""Reading and validation of YAML files, with one-line errors that name the place of the mistake."""

from pathlib import Path
from typing import Any

import jsonschema
import yaml
from yaml.error import MarkedYAMLError

from roma.support.errors import UserError, suggestion

# The same values as by safe_load, ten times as fast. PyYAML has libyaml on all platforms with wheels.
FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(file: Path) -> Any:
    """Return the content of a YAML file.

    Raises:
        UserError: The file cannot be read or is not YAML; the message gives line and column.
    """
    try:
        content = file.read_bytes()  # given bytes, YAML detects the encoding itself
        try:
            return yaml.load(content, FAST_LOADER)
        except yaml.YAMLError:
            return yaml.safe_load(content)  # its messages say more
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        words = " ".join(filter(None, (error.context, error.problem)))
        raise UserError(f"{file}{place}: this is not YAML: {words}") from None
    except (yaml.YAMLError, OSError) as error:
        raise UserError(f"{file} cannot be read: {' '.join(str(error).split())}") from None


def check_schema(value: Any, schema: Path, source: str) -> None:
    """Check a value against a JSON schema.

    Args:
        value: Value to check.
        schema: YAML file with the schema.
        source: Name of the file that the value was read from, for messages.

    Raises:
        UserError: The value violates the schema; unknown keys are reported before other mistakes.
    """
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
