"""Single battles and their recordings: the base of the recordings' files, of SMAC's class and of PettingZoo's.

Shapes: L timesteps played, A agents, N units (agents first, then enemies).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roma.envs.registry import EMBEDDED
from roma.envs.skirmish import kernel
from roma.envs.skirmish.engine import Skirmish
from roma.envs.skirmish.options import Choices, EnvOptions
from roma.envs.skirmish.source import source_digest
from roma.envs.skirmish.versions import version_of
from roma.scenarios import Unit, canonical_map, load_map, load_units
from roma.scenarios.rows import HEALTH
from roma.support.errors import UserError

GOES_ON, WON, LOST, DRAW, TIME_LIMIT = "goes on", "won", "lost", "draw", "time limit"
RESULTS = {
    kernel.GOES_ON: GOES_ON,
    kernel.WON: WON,
    kernel.LOST: LOST,
    kernel.DRAW: DRAW,
    kernel.TIME_OUT: TIME_LIMIT,
}


@dataclass(frozen=True, slots=True)
class UnitType:
    """Facts about a unit type that a picture needs; lengths are in map units."""

    health: float
    shield: float
    radius: float
    range: float  # of the weapon, or of healing for a unit without a weapon; edge to edge
    flies: bool
    heals: bool


@dataclass(frozen=True, slots=True)
class Recording:
    """Recording of an episode, complete or up to some timestep. Drawing it does not need the engine."""

    map_name: str
    seed: int
    engine: str  # name
    engine_version: str  # of the map
    engine_digest: str  # of the engine's sources
    options: dict[str, Any]  # EnvOptions by name
    choices: dict[str, Any]  # Choices by name
    scripted: bool  # SMAC's scripted policy controlled the agents; all actions are -1
    policy: str  # name of the policy, for the reader
    result: str  # a value of RESULTS
    n_agents: int
    episode_limit: int
    terrain: list[str]  # northernmost row first; '.' walkable, '#' blocked
    unit_types: list[str]  # of each unit, N names
    types: dict[str, UnitType]
    actions: NDArray[np.int16]  # (L, A)
    rewards: NDArray[np.float64]  # (L,)
    units: NDArray[np.float64]  # (L + 1, N, 6): x, y, health, shield, energy, cooldown before and after each timestep
    targets: NDArray[np.int16]  # (L + 1, N): slot of each living unit's last target; -1 none
    role_mean: NDArray[np.float32]  # (L + 1, A, role_dim): mean of each agent's role; role_dim 0: policy without roles
    role_variance: NDArray[np.float32]  # (L + 1, A, role_dim): its variance

    @property
    def length(self) -> int:
        """Timesteps played."""
        return len(self.rewards)


class Battle(Skirmish):
    """Single battle of the embedded engine. Call `begin`, then `play` until `result` is no longer GOES_ON.

    Args:
        map_name: Name or alias of a map.
        options: SMAC's options; None: their defaults.
        choices: The engine's own settings; None: their defaults.
    """

    def __init__(self, map_name: str, options: EnvOptions | None = None, choices: Choices | None = None) -> None:
        self.options, self.choices = options or EnvOptions(), choices or Choices()
        super().__init__(canonical_map(map_name), 1, self.options, self.choices)
        self.result = ""  # no battle yet

    def begin(self, seed: int) -> None:
        """Begin the episode of this seed."""
        self.reset(np.array([seed], np.int64))
        self.seed, self.result, self.scripted = seed, GOES_ON, False
        self._played: list[NDArray[np.int64] | None] = []  # a recording is re-simulated from these and the seed

    def play(self, actions: ArrayLike | None) -> float:
        """Play one timestep and return the team's reward.

        Args:
            actions: Actions (A,); None: SMAC's scripted policy controls the agents.

        Raises:
            ValueError: An action is not available (the message names the first one), or the number of actions is wrong.
            UserError: No episode is running.
        """
        if self.result != GOES_ON:
            raise UserError("no episode is running: call reset first")
        taken = None if actions is None else np.array(actions, np.int64)
        if taken is None:
            self.step_scripted()
        elif taken.shape != (self.info.n_agents,):
            raise ValueError(f"a timestep takes {self.info.n_agents} actions, one for each agent, not {taken.size}")
        else:
            self.advance(taken[None], self._all)
        self.scripted = taken is None
        self.result = RESULTS[self._end.item()]
        self._played.append(taken)
        return self._reward.item()

    def require_begun(self) -> None:
        """Check that an episode has begun.

        Raises:
            UserError: There was no `begin` yet.
        """
        if not self.result:
            raise UserError("there is no episode yet: call reset first")

    @property
    def steps(self) -> int:
        """Timesteps played."""
        return len(self._played)

    @property
    def before(self) -> NDArray[np.float64]:
        """Unit rows before the last timestep, (N, 6)."""
        return self._before

    @property
    def deaths(self) -> tuple[int, int]:
        """Number of dead agents, and of dead enemies."""
        dead = (self.snapshots[0, :, HEALTH] <= 0).tolist()
        return sum(dead[: self.info.n_agents]), sum(dead[self.info.n_agents :])

    @property
    def unit_types(self) -> list[str]:
        """Type of each unit, N names."""
        return load_map(self.info.map_name).unit_types

    def recording(self, policy: str) -> Recording:
        """Return a recording of the episode so far.

        The episode is re-simulated from its seed and actions, so that play without a recording costs no time.

        Args:
            policy: Name of the policy, for the reader.

        Raises:
            UserError: There was no `begin` yet.
        """
        self.require_begun()
        again = Battle(self.info.map_name, self.options, self.choices)
        again.begin(self.seed)
        units, targets, rewards = [again.snapshots[0].copy()], [np.full(len(again.rules.unit), -1, np.int16)], []
        for actions in self._played:
            rewards.append(again.play(actions))
            targets.append(again._engaged(units[-1]))
            units.append(again.snapshots[0].copy())
        scripted = np.full(self.info.n_agents, -1)
        taken = [scripted if actions is None else actions for actions in self._played]
        return Recording(
            map_name=self.info.map_name,
            seed=self.seed,
            engine=EMBEDDED,
            engine_version=version_of(self.info.map_name),
            engine_digest=source_digest(),
            options=asdict(self.options),
            choices=asdict(self.choices),
            scripted=self.scripted,
            policy=policy,
            result=self.result,
            n_agents=self.info.n_agents,
            episode_limit=self.info.episode_limit,
            terrain=load_map(self.info.map_name).terrain,
            unit_types=self.unit_types,
            types={name: describe_unit(load_units()[name]) for name in sorted(set(self.unit_types))},
            actions=np.array(taken, np.int16).reshape(-1, self.info.n_agents),
            rewards=np.array(rewards),
            units=np.array(units),
            targets=np.array(targets),
            role_mean=no_roles(len(units), self.info.n_agents),
            role_variance=no_roles(len(units), self.info.n_agents),
        )

    def _engaged(self, before: NDArray[np.float64]) -> NDArray[np.int16]:
        """Return the slot of the unit that each living unit attacked or healed in the last timestep (N,); -1 none.

        It is the target of a blow under way, otherwise the unit's target, unless that unit was dead in `before` (N, 6).
        """
        units = self._battles.units[0]
        engaged = np.where(units["blows_left"] > 0, units["blow_target"], units["target"])
        idle = (units["health"] <= 0) | (engaged < 0) | (before[engaged, HEALTH] <= 0)
        return np.where(idle, -1, engaged).astype(np.int16)


def no_roles(moments: int, n_agents: int) -> NDArray[np.float32]:
    """Return an empty role field (moments, n_agents, 0), for policies without roles."""
    return np.zeros((moments, n_agents, 0), np.float32)


def resimulate(recording: Recording) -> Recording:
    """Re-simulate a recording from its seed and actions, up to the recorded length.

    Roles are copied from the recording, which does not have the weights that they come from.

    Args:
        recording: Of the embedded engine. Its `options` and `choices` apply.

    Raises:
        ValueError: A recorded action is not available in the re-simulation.
    """
    battle = Battle(recording.map_name, EnvOptions(**recording.options), Choices(**recording.choices))
    battle.begin(recording.seed)
    for actions in recording.actions:
        if battle.result != GOES_ON:
            break
        battle.play(None if recording.scripted else actions)
    again = battle.recording(recording.policy)
    return replace(again, role_mean=recording.role_mean, role_variance=recording.role_variance)


def describe_unit(unit: Unit) -> UnitType:
    """Return the facts about a unit type that a picture needs."""
    reach = unit.weapon.range if unit.weapon else unit.heal.range if unit.heal else 0.0
    return UnitType(unit.health, unit.shield, unit.radius, reach, unit.plane == "air", unit.heal is not None)
