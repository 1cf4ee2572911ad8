"""Files that people write, held against a schema: one line says what is wrong and where."""

from pathlib import Path
from typing import Any

import jsonschema
import yaml

from roma.support.errors import UserError, suggestion


def check_schema(value: Any, schema: Path, source: str) -> None:
    """UserError of one line where `value`, read from `source`, breaks the schema; unknown keys come first."""
    validator = jsonschema.Draft202012Validator(yaml.safe_load(schema.read_text()))
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
