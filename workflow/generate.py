"""Generation of files from the fields of settings: the schema of scale files, for editors, and docs/settings.md.

python -m workflow.generate
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import yaml

from roma import envs, learners
from roma.envs.skirmish.options import EnvOptions
from roma.learners.base.config import BaseConfig
from roma.runs.protocols import PRESETS, Protocol
from roma.support.errors import exit_status
from roma.support.files import write_bytes
from roma.support.schemas.settings import Settings, facts, kinds, text, valid
from roma.support.schemas.structure import json_schema
from workflow.scale import Arm, Cell, Download, RolloutEpisodes, Scale

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "python -m workflow.generate"
INTRODUCTION = f"""\
# Settings

This page lists the settings of runs (protocols, algorithms, engines), the options of the SMAC environment, and the keys
of scale files. `{COMMAND}` writes it from the fields that define them.

`roma settings ALGORITHM` prints the settings of one algorithm with their values under a protocol. Change a setting of a
run with `roma train --set KEY=VALUE`, or under `overrides` in a scale file. Lists are written as `80,25`, and the
empty list as `none`. Later sources override earlier ones: the default, the protocol, the variant of the algorithm, the
overrides of the run."""
SMAC_OPTIONS = "Arguments of `StarCraft2Env` and of `parallel_env`; training runs use the defaults."
SCALE_FILES = """\
Files in `workflow/config` have these keys. `snakemake --config KEY=VALUE` sets a key for one call, as in
`--config 'rollout_episodes={last: 8, earlier: 2}'`. Keys without a default are required. Numbers may have any spelling
of YAML, and also `2e6` or `"5"`. For editors, `workflow/schemas/config.schema.yaml` has the JSON schema of these
files."""


def main() -> int:
    """Write all generated files."""
    for name, render in FILES.items():
        write_bytes(ROOT / name, render().encode())
    return 0


def schema() -> str:
    """Return the JSON schema of scale files, as YAML."""
    content = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Scale",
        "description": Scale.__doc__,
    }
    content |= json_schema(Scale) | {"$defs": {"overrides": _overrides_schema()}}
    written: str = yaml.safe_dump(content, sort_keys=False, width=120, allow_unicode=True)
    return f"# Generated: {COMMAND}\n{written}"


def page() -> str:
    """Return docs/settings.md."""
    sections = [INTRODUCTION, "## Protocols", *_protocols(), "## All algorithms", _table(BaseConfig)]
    for settings, names in _algorithms().items():
        sections += [f"## {', '.join(f'`{name}`' for name in names)}", _variants(names), _table(settings, BaseConfig)]
    for engine in envs.ENGINES:
        sections += [f"## Engine `{engine}`", _table(envs.settings_class(engine))]
    sections += ["## Options of the SMAC environment", SMAC_OPTIONS, _table(EnvOptions)]
    sections += ["## Keys of scale files", SCALE_FILES]
    for structure in (Scale, Cell, Arm, Download, RolloutEpisodes):
        sections += [f"### {structure.__name__}", str(structure.__doc__), _keys(structure)]
    return "\n\n".join(sections) + "\n"


FILES: Mapping[str, Callable[[], str]] = {"workflow/schemas/config.schema.yaml": schema, "docs/settings.md": page}


def _overrides_schema() -> dict[str, Any]:
    """Return the schema of `overrides`: every setting of every protocol, algorithm and engine."""
    properties: dict[str, dict[str, Any]] = {}
    classes: list[type[Settings]] = [Protocol, *_algorithms(), *map(envs.settings_class, envs.ENGINES)]
    for settings in classes:
        for field in fields(settings):
            said = facts(field)
            one = json_schema(kinds(settings)[field.name], said.bound)
            if "items" in one:  # lists of settings may be empty, repeat items, or be written as text
                one = {"type": ["array", "string"], "items": one["items"]}
            known = properties.setdefault(field.name, {"description": said.help, **one})
            if said.help not in known["description"]:
                known["description"] += f"; or: {said.help}"
    return {"type": "object", "additionalProperties": False, "properties": dict(sorted(properties.items()))}


def _algorithms() -> dict[type[Settings], list[str]]:
    """Return the algorithms by the class of their hyper-parameters."""
    by_class: dict[type[Settings], list[str]] = {}
    for name in learners.algorithm_names():
        by_class.setdefault(learners.algorithm(name).config_class, []).append(name)
    return by_class


def _protocols() -> list[str]:
    """Return a list of the protocols, with total steps and source, and a table of their settings."""
    common = [
        f"- `{name}`: {preset.total_steps:,} environment steps; {preset.source}"
        + "".join(f"; `{key}={text(value)}`" for key, value in preset.hyperparameters.items())
        for name, preset in PRESETS.items()
    ]
    rows = [
        [
            f"`{each.name}`",
            *(text(getattr(preset.protocol, each.name)) for preset in PRESETS.values()),
            valid(kinds(Protocol)[each.name], facts(each).bound),
            facts(each).help,
        ]
        for each in fields(Protocol)
    ]
    return ["\n".join(common), _markdown(("setting", *PRESETS, "valid", "meaning"), rows)]


def _variants(names: Sequence[str]) -> str:
    """Return a list of algorithms with the settings that each changes."""
    lines = []
    for name in names:
        specification = learners.algorithm(name)
        changed = {**specification.overrides, **specification.protocol_settings}
        sources = dict.fromkeys(specification.sources[key] for key in changed)
        values = "; ".join(f"`{key}={text(value)}`" for key, value in changed.items())
        lines.append(
            f"- `{name}`: {specification.description}" + (f"; {values} ({', '.join(sources)})" if values else "")
        )
    return "\n".join(lines)


def _table(settings: type[Settings], shared: type[Settings] = Settings) -> str:
    """Return a table of the settings of a class, without those that equal the settings of another class."""
    known = {each.name: (each.default, facts(each)) for each in fields(shared)}
    rows = [
        [f"`{each.name}`", text(each.default), valid(kinds(settings)[each.name], said.bound), said.source, said.help]
        for each in fields(settings)
        if known.get(each.name) != (each.default, said := facts(each))
    ]
    return _markdown(("setting", "default", "valid", "source", "meaning"), rows)


def _keys(structure: type[Any]) -> str:
    rows = [
        [f"`{each.name}`", "yes" if each.default is MISSING else "", facts(each).help] for each in fields(structure)
    ]
    return _markdown(("key", "required", "meaning"), rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(exit_status(main))
