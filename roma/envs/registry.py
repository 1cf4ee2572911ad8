"""Engines by name, with the facts that planning a run needs. Importing this module loads no engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from roma.support.errors import unknown

EngineName = Literal["embedded", "starcraft2"]
EMBEDDED, STARCRAFT2 = get_args(EngineName)


@dataclass(frozen=True, slots=True)
class Engine:
    """Facts about an engine that planning a run needs."""

    installed_apart: bool  # must be installed separately
    side_by_side: int  # default number of parallel battles
    battle_memory_mb: int  # of each battle's own process; 0: all battles share one
    deterministic: bool  # episodes can be re-simulated from seed and actions; otherwise observations are stored
    steps_per_second: int  # cautious estimate for a run on a map with a dozen units


ENGINES: Mapping[str, Engine] = MappingProxyType(
    {
        EMBEDDED: Engine(
            installed_apart=False,
            side_by_side=32,
            battle_memory_mb=0,
            deterministic=True,
            steps_per_second=300,
        ),
        # Estimates: memory and speed of the game have not been measured.
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
    """Check that an engine of that name exists. `roma.envs.make` checks that it is installed.

    Raises:
        UserError: There is none.
    """
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
