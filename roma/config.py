"""What a run is: names, seed and every setting, resolved and checked before anything heavy is imported.

One flat space of keys holds the protocol's settings (roma.protocols), the algorithm's hyper-parameters (its Config in
roma.learners) and the engine's own settings (roma.envs). Later wins: the algorithm's defaults, the protocol's preset,
what the algorithm asks of every protocol, the named variant, the run's overrides.
The horizon and the milestones stand outside: a run may be made longer, and is then the same run.
"""

import json
import math
import types
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from roma import envs, learners
from roma.errors import UserError, unknown
from roma.files import digest
from roma.protocols import PRESETS, Protocol
from roma.seeding import MAX_RUN_SEED

IDENTITY = ("map", "algorithm", "seed", "protocol", "engine")

# When actor weights are kept, as fractions of the horizon. On the paper's 20.05 million steps these are the untrained
# actor, 1, 2, 4, 6, 8, 10 and 15 million steps and the end; the paper draws roles at 6 and 10 million.
MILESTONES = tuple(
    step / PRESETS["paper"].horizon
    for step in (0, 1_000_000, 2_000_000, 4_000_000, 6_000_000, 8_000_000, 10_000_000, 15_000_000, 20_050_000)
)


@dataclass(frozen=True, slots=True)
class RunConfig:
    """All that decides the numbers of a run, apart from how long it lasts."""

    map: str
    algorithm: str
    seed: int
    protocol: str
    engine: str
    schedule: Protocol
    learner: Any  # the Config of the algorithm's family
    battle: Any  # the engine's own settings

    def flat(self) -> dict[str, Any]:
        """Names, seed and settings as one flat, JSON-able dictionary; `from_flat` reads it back."""
        return {name: getattr(self, name) for name in IDENTITY} | self.settings()

    def settings(self) -> dict[str, Any]:
        return asdict(self.schedule) | asdict(self.learner) | asdict(self.battle)

    @property
    def has_roles(self) -> bool:
        """Whether its agents have roles."""
        return hasattr(self.learner, "role_dim")

    @property
    def hash(self) -> str:
        """SHA-256 of the resolved configuration: equal for two runs exactly if they are the same run."""
        return digest(json.dumps(self.flat(), sort_keys=True, separators=(",", ":")).encode())


def resolve(
    map: str,
    algorithm: str,
    seed: int,
    protocol: str = "paper",
    engine: str = "embedded",
    overrides: Mapping[str, Any] | None = None,
) -> RunConfig:
    """The configuration of a run; values of `overrides` may be text, as a command line gives them.

    Raises UserError, with the nearest valid name, for what does not exist, and for values of the wrong type or size.
    """
    map = envs.canonical_map(map)
    if algorithm not in learners.algorithm_names():
        raise unknown("algorithm", algorithm, learners.algorithm_names())
    if not 0 <= seed <= MAX_RUN_SEED:
        raise UserError(f"the seed must lie between 0 and {MAX_RUN_SEED}, not {seed}")
    if protocol not in PRESETS:
        raise unknown("protocol", protocol, PRESETS)
    envs.check_engine(engine)

    preset, specification = PRESETS[protocol], learners.algorithm(algorithm)
    schedule_types = _types(Protocol)
    battle_class = envs.settings_class(engine)
    learner_types, battle_types = _types(specification.config_class), _types(battle_class)
    known = schedule_types | learner_types | battle_types
    values = asdict(preset.protocol)
    values |= {key: value for key, value in preset.learner.items() if key in known}
    values |= specification.schedule | specification.overrides
    for key, value in (overrides or {}).items():
        if key not in known:
            raise unknown(f"setting of {algorithm}", key, known)
        values[key] = parse(key, value, known[key])
    schedule = Protocol(**{key: value for key, value in values.items() if key in schedule_types})
    learner = specification.config_class(**{key: value for key, value in values.items() if key in learner_types})
    battle = battle_class(**{key: value for key, value in values.items() if key in battle_types})
    _check_schedule(schedule)
    return RunConfig(map, algorithm, seed, protocol, engine, schedule, learner, battle)


def engine_settings(engine: str, overrides: Mapping[str, Any]) -> Any:
    """An engine's own settings, with these overrides; UserError as in `resolve`."""
    settings = envs.settings_class(engine)
    known = _types(settings)
    for key in overrides:
        if key not in known:
            raise unknown(f"setting of the engine {engine!r}", key, known)
    return settings(**{key: parse(key, value, known[key]) for key, value in overrides.items()})


def from_flat(flat: Mapping[str, Any]) -> RunConfig:
    """The configuration that `RunConfig.flat` described."""
    identity = {name: flat[name] for name in IDENTITY}
    return resolve(**identity, overrides={key: value for key, value in flat.items() if key not in IDENTITY})


def canonical_options(config: RunConfig) -> list[str]:
    """The options of `roma train` that make this configuration; equal hashes give equal options."""
    plain = resolve(**{name: getattr(config, name) for name in IDENTITY}).settings()
    options = [text for name in IDENTITY for text in (f"--{name}", str(getattr(config, name)))]
    for key, value in sorted(config.settings().items()):
        if value != plain[key]:
            options += ["--set", f"{key}={_text(value)}"]
    return options


def parse_assignments(assignments: Iterable[str]) -> dict[str, str]:
    """{key: value} of texts `key=value`."""
    pairs = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise UserError(f"{assignment!r} is not of the form key=value")
        if key.strip() in pairs:
            raise UserError(f"{key.strip()!r} is set twice")
        pairs[key.strip()] = value.strip()
    return pairs


def milestone_steps(horizon: int, fractions: Iterable[float] = MILESTONES) -> list[int]:
    """The environment steps at which actor weights are kept, rising; the end is always among them."""
    return sorted({round(fraction * horizon) for fraction in fractions} | {horizon})


def parse(key: str, value: Any, kind: Any) -> Any:
    """`value`, possibly text, as the type `kind` of the setting `key`; UserError where it is none."""
    wrong = UserError(f"{key} = {str(value)!r} is not {_describe(kind)}")
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
    if kind is bool:
        choices = {"true": True, "false": False}
        text = str(value).lower()
        if text not in choices:
            raise wrong
        return choices[text]
    if kind is str and isinstance(value, str):
        return value
    if kind in (int, float) and isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except ValueError:
            raise wrong from None
        if math.isfinite(number) and (kind is float or number.is_integer()):  # 1e5 is a whole number too
            return kind(number)
    raise wrong


def _types(settings: Any) -> dict[str, Any]:
    """The types of a dataclass's fields."""
    hints = get_type_hints(settings)
    return {field.name: hints[field.name] for field in fields(settings)}


def _describe(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return f"a list of which each is {_describe(get_args(kind)[0])}"
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join("none" if part is type(None) else _describe(part) for part in get_args(kind))
    return {int: "a whole number", float: "a finite number", bool: "true or false"}.get(kind, "text")


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(_text, value)) or "none"
    return str(value)


def _check_schedule(schedule: Protocol) -> None:
    for field in fields(schedule):
        if getattr(schedule, field.name) < 1:
            raise UserError(f"{field.name} = {getattr(schedule, field.name)} must be at least 1")
    if schedule.batch_size > schedule.buffer_size:
        raise UserError(f"batch_size = {schedule.batch_size} exceeds buffer_size = {schedule.buffer_size}")
    if schedule.n_battles > schedule.buffer_size:
        raise UserError(f"n_battles = {schedule.n_battles} exceeds buffer_size = {schedule.buffer_size}")
