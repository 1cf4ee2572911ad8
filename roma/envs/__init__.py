"""Environments: the embedded engine and StarCraft II behind one interface. Importing this loads neither."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from roma.envs.registry import EMBEDDED, ENGINES, STARCRAFT2, Engine, check_engine
from roma.envs.vector import EnvInfo, GameEnv, Outcome, VectorEnv
from roma.scenarios import canonical_map
from roma.support.files import digest

if TYPE_CHECKING:
    from roma.envs.skirmish.options import Choices
    from roma.envs.starcraft2.worker import GameSettings

__all__ = [
    "EMBEDDED",
    "ENGINES",
    "STARCRAFT2",
    "Engine",
    "EnvInfo",
    "GameEnv",
    "Outcome",
    "VectorEnv",
    "check_engine",
    "engine_digest",
    "engine_version",
    "make",
    "recorded_engine_version",
]

# What revisions before the engine's versions wrote into `engine_version` of an embedded run: the package's version.
BEFORE_VERSIONS = "0.1.0"


def settings_class(engine: str) -> type[Choices | GameSettings]:
    """The dataclass of an engine's own settings."""
    check_engine(engine)
    if engine == STARCRAFT2:
        from roma.envs.starcraft2.worker import GameSettings

        return GameSettings
    from roma.envs.skirmish.options import Choices

    return Choices


def make(
    engine: str,
    map_name: str,
    n_battles: int,
    settings: Any = None,
    journal: list[dict[str, Any]] | None = None,
) -> VectorEnv:
    """`n_battles` battles of a map on an engine. Call `reset` before the first `step`.

    `settings` are the engine's own, an instance of its `settings_class`; None: its defaults.
    An engine where chance rules writes into `journal` what a run's provenance must tell of its battles. UserError where
    the engine cannot be played here, with what to run.
    """
    check_engine(engine)
    if engine == STARCRAFT2:
        from roma.envs.starcraft2.env import StarCraft2

        return StarCraft2(canonical_map(map_name), n_battles, settings, journal)
    from roma.envs.skirmish.engine import Skirmish
    from roma.envs.skirmish.options import Choices

    return Skirmish(canonical_map(map_name), n_battles, choices=settings or Choices())


def engine_digest(engine: str) -> str:
    """Return a digest (hex) of the sources and data behind an engine, or of the game, its packages and its maps.

    It is kept in provenance as information; what identifies is `engine_version`.

    Raises:
        UserError: the engine is not installed.
    """
    check_engine(engine)
    if engine == STARCRAFT2:
        from roma.envs.starcraft2 import installation

        installation.check_package()
        maps = {name: file.sha256 for name, file in installation.of_kind("map").items()}
        return digest(json.dumps([installation.facts(), maps], sort_keys=True).encode())
    from roma.envs.skirmish.source import source_digest

    return source_digest()


def engine_version(engine: str, map_name: str) -> str:
    """Return the version of an engine on one map: runs of equal versions were played under the same rules.

    Of the embedded engine it is a number that a person raises when battles on this map change, as text (see
    `roma.envs.skirmish.versions`, also for a user's own maps). Of StarCraft II it is the game's version and a digest of
    game, packages and map file, as in `4.10+9f86d081`.

    Args:
        engine: one of ENGINES.
        map_name: canonical name or alias.

    Raises:
        UserError: there is no such engine or map, or the engine is not installed.
    """
    check_engine(engine)
    name = canonical_map(map_name)
    if engine == STARCRAFT2:
        from roma.envs.starcraft2 import installation

        installation.check_package()
        facts = [installation.facts(), installation.of_kind("map")[name].sha256]
        shown = digest(json.dumps(facts, sort_keys=True).encode())[:8]
        return f"{installation.installed_game().version}+{shown}"
    from roma.envs.skirmish.versions import version_of

    return version_of(name)


def recorded_engine_version(facts: Mapping[str, Any]) -> str:
    """Return the engine version that a run's provenance (or evaluation, policy, replay) tells.

    Earlier revisions recorded a source digest only: `cc608650` counts as version 0.

    Raises:
        KeyError: neither `engine_version` nor `engine_digest` is among the facts.
    """
    from roma.envs.skirmish.versions import version_of_source

    version = facts.get("engine_version", BEFORE_VERSIONS)
    return version_of_source(facts["engine_digest"]) if version == BEFORE_VERSIONS else str(version)
