"""The engines by name, and what those who plan runs must know of them. Importing this loads none."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from roma.support.errors import unknown

EngineName = Literal["embedded", "starcraft2"]
EMBEDDED, STARCRAFT2 = get_args(EngineName)


@dataclass(frozen=True, slots=True)
class Engine:
    """What those who plan runs must know of an engine."""

    installed_apart: bool  # it must be fetched before it can be played
    side_by_side: int  # battles at once where any number would do
    battle_memory_mb: int  # of each battle's own process; 0: all battles are in one
    deterministic: bool  # it can re-simulate episodes from seeds and actions; if not, observations are stored
    steps_per_second: int  # environment steps of a run on a dozen units, cautiously


ENGINES: Mapping[str, Engine] = MappingProxyType(
    {
        EMBEDDED: Engine(
            installed_apart=False,
            side_by_side=32,
            battle_memory_mb=0,
            deterministic=True,
            steps_per_second=300,
        ),
        # The memory and the speed of a game are estimates: none has been measured here.
        STARCRAFT2: Engine(
            installed_apart=True,
            side_by_side=8,
            battle_memory_mb=2000,
            deterministic=False,
            steps_per_second=40,
        ),
    }
)


def check_engine(engine: str) -> None:
    """UserError unless there is an engine of that name. Whether it can be played here is found out by `make`."""
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
