"""Configuration of a run: names, versions, seed and all settings, resolved and checked before torch is imported.

All settings share one flat space of keys: the settings of the protocol (roma.runs.protocols), the hyper-parameters of
the algorithm (its Config in roma.learners) and the settings of the engine (roma.envs). Later sources override earlier
ones: the defaults of the algorithm, the preset of the protocol, the protocol settings that the algorithm requires, the
named variant of the algorithm, the overrides of the run.

The identity of a run consists of its names, the version of its algorithm, the version of the engine on its map, and the
settings that differ from the values without overrides. A new setting whose default changes nothing therefore leaves
every identity unchanged. Total steps and milestones are not part of the configuration: a longer run of the same
identity replaces a shorter one.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from roma import envs, learners
from roma.learners.base.config import BaseConfig
from roma.runs.protocols import PRESETS, Protocol
from roma.scenarios import canonical_map
from roma.support.errors import UserError, unknown
from roma.support.files import digest
from roma.support.schemas.settings import Settings, kinds, parse, text
from roma.support.seeding import MAX_RUN_SEED

if TYPE_CHECKING:
    from roma.envs.skirmish.options import Choices

FORMAT = 1  # of config.json; raise it when its keys change
UNKNOWN = "unknown"  # version of an engine that is not installed here
NAMES = ("map", "algorithm", "seed", "protocol", "engine")
VERSIONS = ("algorithm_version", "engine_version")
SETTINGS = ("protocol_settings", "hyperparameters", "engine_settings")

# Environment steps at which policies are kept, in addition to the end of the run.
MILESTONES = (
    *(0, 50_000, 200_000, 500_000),
    *(million * 1_000_000 for million in (1, 2, 3, 4, 6, 8, 10, 15, 20)),
)


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Configuration of a run: everything that determines its numbers, apart from its length.

    Attributes:
        map: Name of the map.
        algorithm: Name of the algorithm.
        seed: Seed of the run.
        protocol: Name of the protocol.
        engine: Name of the engine.
        algorithm_version: Version of the algorithm's behaviour.
        engine_version: Version of the engine's behaviour on this map; UNKNOWN if the engine is not installed here.
        protocol_settings: Settings of the protocol: episodes, updates and tests.
        hyperparameters: Config of the algorithm's family.
        engine_settings: Settings of the engine.
    """

    map: str
    algorithm: str
    seed: int
    protocol: str
    engine: str
    algorithm_version: int
    engine_version: str
    protocol_settings: Protocol
    hyperparameters: BaseConfig
    engine_settings: Settings

    def settings(self) -> dict[str, Any]:
        """Return all settings as one flat dictionary."""
        return asdict(self.protocol_settings) | asdict(self.hyperparameters) | asdict(self.engine_settings)

    @property
    def overrides(self) -> dict[str, Any]:
        """The settings that differ from their values without overrides, given map, algorithm and protocol."""
        plain = resolve(**{name: getattr(self, name) for name in NAMES}).settings()
        return {key: value for key, value in sorted(self.settings().items()) if value != plain[key]}

    def to_json(self) -> dict[str, Any]:
        """Return the content of config.json, which `from_json` reads: the identity and, for readers, all settings."""
        described = {"format": FORMAT} | {name: getattr(self, name) for name in (*NAMES, *VERSIONS)}
        described |= {"overrides": self.overrides} | {name: asdict(getattr(self, name)) for name in SETTINGS}
        content: dict[str, Any] = json.loads(json.dumps(described))  # converts tuples to lists, as in the file
        return content

    @property
    def has_roles(self) -> bool:
        """True if the agents have roles."""
        return hasattr(self.hyperparameters, "role_dim")

    @property
    def identity(self) -> dict[str, Any]:
        """Names, versions and overrides: two configurations belong to the same run if and only if these are equal."""
        return identity_of(self.to_json())

    @property
    def digest(self) -> str:
        """SHA-256 of the identity."""
        return digest(json.dumps(self.identity, sort_keys=True, separators=(",", ":")).encode())


def resolve(
    map: str,
    algorithm: str,
    seed: int,
    protocol: str = "paper",
    engine: str = envs.EMBEDDED,
    overrides: Mapping[str, Any] | None = None,
) -> RunConfig:
    """Return the configuration of a run.

    Args:
        map: Name of the map.
        algorithm: Name of the algorithm.
        seed: Seed of the run, from 0 to MAX_RUN_SEED.
        protocol: Name of the protocol.
        engine: Name of the engine.
        overrides: Values by key; they may be text, as on a command line.

    Raises:
        UserError: A name or a key does not exist (the message has the nearest valid one), or a value is not valid.
    """
    map = canonical_map(map)
    if algorithm not in learners.algorithm_names():
        raise unknown("algorithm", algorithm, learners.algorithm_names())
    if not 0 <= seed <= MAX_RUN_SEED:
        raise UserError(f"the seed must lie between 0 and {MAX_RUN_SEED}, not {seed}")
    if protocol not in PRESETS:
        raise unknown("protocol", protocol, PRESETS)
    envs.check_engine(engine)

    preset, specification = PRESETS[protocol], learners.algorithm(algorithm)
    settings_class = envs.settings_class(engine)
    of_protocol, of_algorithm = kinds(Protocol), kinds(specification.config_class)
    of_engine = kinds(settings_class)
    known = of_protocol | of_algorithm | of_engine
    values = asdict(preset.protocol)
    values |= {key: value for key, value in preset.hyperparameters.items() if key in known}
    values |= specification.protocol_settings | specification.overrides
    for key, value in (overrides or {}).items():
        if key not in known:
            raise unknown(f"setting of {algorithm}", key, known)
        values[key] = parse(key, value, known[key])
    return RunConfig(
        map=map,
        algorithm=algorithm,
        seed=seed,
        protocol=protocol,
        engine=engine,
        algorithm_version=specification.version,
        engine_version=_engine_version(engine, map),
        protocol_settings=Protocol(**{key: value for key, value in values.items() if key in of_protocol}),
        hyperparameters=specification.config_class(**{k: v for k, v in values.items() if k in of_algorithm}),
        engine_settings=settings_class(**{key: value for key, value in values.items() if key in of_engine}),
    )


def _engine_version(engine: str, map_name: str) -> str:
    """Return the version of the engine; UNKNOWN if it is not installed, because runs can be planned before that."""
    try:
        return envs.engine_version(engine, map_name)
    except UserError:
        if not envs.ENGINES[engine].installed_apart:
            raise
        return UNKNOWN


def resolve_choices(overrides: Mapping[str, Any]) -> "Choices":
    """Return the settings of the embedded engine with these overrides.

    Raises:
        UserError: A key does not exist or a value is not valid.
    """
    from roma.envs.skirmish.options import Choices

    known = kinds(Choices)
    for key in overrides:
        if key not in known:
            raise unknown(f"setting of the engine {envs.EMBEDDED!r}", key, known)
    return Choices(**{key: parse(key, value, known[key]) for key, value in overrides.items()})


def from_json(described: Mapping[str, Any]) -> RunConfig:
    """Return the configuration that `RunConfig.to_json` described, with the recorded versions.

    Raises:
        UserError: The description has another format, or a name or setting that this version of roma does not know.
        KeyError: The description lacks a key.
    """
    if described["format"] != FORMAT:
        raise UserError(f"a configuration has format {described['format']}, this version of roma reads {FORMAT}")
    config = resolve(**{name: described[name] for name in NAMES}, overrides=settings_of(described))
    return replace(config, **{name: described[name] for name in VERSIONS})


def settings_of(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings of a described configuration as one flat dictionary."""
    return {key: value for section in SETTINGS for key, value in described[section].items()}


def identity_of(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return the identity of a described configuration: names, versions and overrides."""
    return {name: described[name] for name in (*NAMES, *VERSIONS, "overrides")}


def differences(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return the differences between the identities of two described configurations, each in words with both values.

    A version that is unknown in `wanted` is not compared.
    """
    words = [
        f"{name} = {held[name]} (not {wanted[name]})"
        for name in (*NAMES, *VERSIONS)
        if held[name] != wanted[name] and wanted[name] != UNKNOWN
    ]
    held_settings, wanted_settings = settings_of(held), settings_of(wanted)
    for key in sorted({*held["overrides"], *wanted["overrides"]}):
        ours, theirs = (settings.get(key, "no setting") for settings in (held_settings, wanted_settings))
        if ours != theirs:
            words.append(f"{key} = {text(ours)} (not {text(theirs)})")
        elif (key in held["overrides"]) != (key in wanted["overrides"]) and not words:
            words.append(f"another default of {key}")
    return words


def check_versions(config: RunConfig, source: object) -> None:
    """Check that the versions of a recorded configuration are those of the installed program.

    Args:
        config: Recorded configuration.
        source: File or folder that it was read from, for messages.

    Raises:
        UserError: A version differs.
    """
    here = resolve(**{name: getattr(config, name) for name in NAMES})
    for name in VERSIONS:
        theirs, ours = getattr(config, name), getattr(here, name)
        if theirs != ours and ours != UNKNOWN:
            what = config.algorithm if name == "algorithm_version" else f"the engine {config.engine} on {config.map}"
            raise UserError(f"{source} was made with version {theirs} of {what}; this is version {ours}")


def canonical_options(config: RunConfig) -> list[str]:
    """Return the options of `roma train` that give this configuration. Equal identities give equal options."""
    options = [word for name in NAMES for word in (f"--{name}", str(getattr(config, name)))]
    for key, value in config.overrides.items():
        options += ["--set", f"{key}={text(value)}"]
    return options


def parse_assignments(assignments: Iterable[str]) -> dict[str, str]:
    """Return texts of the form `key=value` as a dictionary.

    Raises:
        UserError: A text has another form, or a key is set twice.
    """
    pairs = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise UserError(f"{assignment!r} is not of the form key=value")
        if key.strip() in pairs:
            raise UserError(f"{key.strip()!r} is set twice")
        pairs[key.strip()] = value.strip()
    return pairs


def milestone_steps(total_steps: int, milestones: Iterable[int] = MILESTONES) -> list[int]:
    """Return the environment steps at which policies are kept, ascending: the milestones before the end and the end."""
    return sorted({step for step in milestones if step < total_steps} | {total_steps})
