"""Environments: the embedded engine and StarCraft II behind one interface. Importing this loads neither."""

from __future__ import annotations

from roma.envs.vector import EnvInfo, Outcome, VectorEnv
from roma.errors import UserError, unknown

ENGINES = ("embedded", "starcraft2")

__all__ = ["ENGINES", "EnvInfo", "Outcome", "VectorEnv", "canonical_map", "engine_digest", "make", "map_names"]


def map_names() -> list[str]:
    """Names of all maps, sorted."""
    from roma.envs.skirmish.data import MAP_NAMES

    return list(MAP_NAMES)


def canonical_map(name: str) -> str:
    """The one name of a map, whose alias `name` may be; UserError names the nearest valid one."""
    from roma.envs.skirmish.data import ALIASES

    if name not in ALIASES:
        raise unknown("map", name, map_names())
    return ALIASES[name]


def check_engine(engine: str) -> None:
    """UserError unless `engine` is one that can be played here."""
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    if engine == "starcraft2":
        raise UserError("engine 'starcraft2' is not built yet; choose --engine embedded")


def make(engine: str, map_name: str, n_battles: int) -> VectorEnv:
    """`n_battles` battles of a map on an engine. Call `reset` before the first `step`."""
    check_engine(engine)
    from roma.envs.skirmish.engine import Skirmish

    return Skirmish(canonical_map(map_name), n_battles)


def engine_digest(engine: str) -> str:
    """Digest of an engine's rules and data (hex). Equal digests, seeds and actions: identical battles."""
    check_engine(engine)
    from roma.envs.skirmish.data import source_digest

    return source_digest()
