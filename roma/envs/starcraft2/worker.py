"""Worker process in which SMAC plays one episode after the other, and its guardian.

SMAC is imported only in workers, and only when the game starts. Each worker has a guardian process. It waits until the
worker or the run has ended, for whatever reason, then ends the worker's process group with the game and removes the
worker's temporary files.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import shutil
import signal
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roma.envs.starcraft2.names import AUTHORS_MAP_TYPES, UNITS, map_params
from roma.scenarios import Map, load_map
from roma.support.schemas.settings import AT_LEAST_ONE, Settings, setting

LOG_BYTES = 8192  # length of the end of a game's log that the last error attaches


_game_setting = partial(setting, source="engine starcraft2")


@dataclass(frozen=True, slots=True)
class GameSettings(Settings):
    """Settings of the game with SMAC's names and values; part of a run's configuration."""

    difficulty: Literal["1", "2", "3", "4", "5", "6", "7", "8", "9", "A"] = _game_setting(
        "7", "level of the game's built-in AI; 7 is very hard"
    )
    step_mul: int = _game_setting(8, "game loops in a timestep", bound=AT_LEAST_ONE)


class Sight(NamedTuple):
    """Observations of one battle."""

    obs: NDArray[np.float32]  # (A, O)
    state: NDArray[np.float32]  # (S,)
    avail_actions: NDArray[np.bool_]  # (A, U)
    snapshot: NDArray[np.float64]  # (N, 6)


class WorkerError(Exception):
    """Failure of a worker; the message gives the reason."""


class Worker:
    """The run's side of a worker process, which plays one episode after the other."""

    def __init__(self, map_name: str, settings: GameSettings, game_folder: Path) -> None:
        self._arguments = (map_name, settings, str(game_folder))
        self._process: Any = None
        self.start()

    def start(self) -> None:
        """Start a new process, after ending the previous one."""
        self.stop()
        context = multiprocessing.get_context("spawn")
        self._folder = Path(tempfile.mkdtemp(prefix="roma-starcraft2-"))
        log = self._folder / "game.log"
        log.touch()
        self._log = log.open("rb")  # stays readable after the guardian has removed the folder
        self._connection, theirs = context.Pipe()
        arguments = (theirs, str(self._folder), str(log), *self._arguments)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def send(self, message: tuple[str, Any]) -> None:
        """Send a message. `receive` reports a dead process."""
        with suppress(OSError):
            self._connection.send(message)

    def receive(self, seconds: float) -> Any:
        """Return the answer to the last message.

        Raises:
            WorkerError: There was no answer within `seconds`, the process died, or it reported an error.
        """
        try:
            if not self._connection.poll(seconds):
                raise WorkerError("it did not answer in time")
            succeeded, answer = self._connection.recv()
        except (EOFError, OSError):
            raise WorkerError("its process died") from None
        if not succeeded:
            raise WorkerError(answer)
        return answer

    def stop(self, grace_seconds: float = 0) -> None:
        """End the process, its game and its guardian. The game has `grace_seconds` to end by itself."""
        if self._process is None:
            return
        if grace_seconds:
            self.send(("close", None))
            self._process.join(grace_seconds)
        self._process.kill()
        connection.wait(
            [self._process.sentinel], 10
        )  # the guardian holds the sentinel, too, so all processes have ended
        self._process.join()
        self._connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)  # if there was no guardian yet
        self._process = None

    def log_tail(self) -> str:
        """Return the last lines that the worker and its game wrote."""
        self._log.seek(max(0, os.fstat(self._log.fileno()).st_size - LOG_BYTES))
        return self._log.read().decode(errors="replace")


def close(workers: Sequence[Worker]) -> None:
    """End all workers. Their games have some seconds to end by themselves."""
    for worker in workers:
        worker.send(("close", None))
    for worker in workers:
        worker.stop(grace_seconds=10)


def _serve(pipe: Connection, folder: str, log: str, map_name: str, settings: GameSettings, game_folder: str) -> None:
    """Run a worker: answer messages (name, argument) with (success, result or reason)."""
    os.setsid()  # a process group of its own, which a terminal's signals do not reach
    _start_guardian(pipe.fileno(), folder)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.environ |= {"SC2PATH": game_folder, "TMPDIR": folder}
    tempfile.tempdir = folder
    host = Host(map_name, settings)
    while True:
        try:
            name, argument = pipe.recv()
        except (EOFError, OSError):
            return
        if name == "close":
            host.close()
            return
        try:
            pipe.send((True, getattr(host, name)(argument)))
        except Exception as error:
            traceback.print_exc()
            pipe.send((False, str(error) or type(error).__name__))


def _start_guardian(pipe: int, folder: str) -> None:
    """Fork the guardian, which ends this process group when this process or the run at the pipe's end is gone."""
    group = os.getpid()
    worker_gone, worker_lives = os.pipe()
    if os.fork():
        os.close(worker_gone)
        return  # worker_lives stays open for as long as this process lives
    try:
        os.setpgid(0, 0)
        os.close(worker_lives)
        hangups = select.poll()
        for descriptor in (worker_gone, pipe):
            hangups.register(descriptor, 0)
        hangups.poll()
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass  # the whole group has ended already
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)


class Host:
    """SMAC's environment in a worker; each method answers the message of its name."""

    def __init__(self, map_name: str, settings: GameSettings) -> None:
        self._scenario, self._settings = load_map(map_name), settings
        self._battle: Any = None

    def info(self, argument: None) -> dict[str, int]:
        """Return sizes from SMAC's `get_env_info`, without starting a game."""
        names = ("n_agents", "n_actions", "obs_shape", "state_shape", "episode_limit")
        info = self._make(None).get_env_info()
        return {name: int(info[name]) for name in names}

    def reset(self, seed: int) -> tuple[Sight, list[str], int | None]:
        """Begin an episode; return observations, unit types and, if a game was started, its seed."""
        new_seed = None
        if self._battle is None:
            self._battle, new_seed = self._make(seed), seed
        self._battle.reset()
        self._check_connection()
        return self._sight(), self._unit_types(), new_seed

    def step(self, actions: Sequence[int]) -> tuple[Sight, float, bool, bool]:
        """Play one timestep; return observations, reward, terminated and won."""
        reward, terminated, info = self._battle.step(actions)
        self._check_connection()
        return self._sight(), float(reward), bool(terminated), bool(info["battle_won"])

    def save_replay(self, directory: str) -> None:
        """Save the game's replay into a folder."""
        Path(directory).mkdir(parents=True, exist_ok=True)
        self._battle.replay_dir = directory
        self._battle.save_replay()

    def close(self) -> None:
        """End the game."""
        if self._battle is not None:
            self._battle.close()

    def _make(self, seed: int | None) -> Any:
        kind = battle_class(self._scenario)
        return kind(map_name=self._scenario.name, seed=seed, **asdict(self._settings))

    def _check_connection(self) -> None:
        """Raise WorkerError if the connection to the game broke.

        SMAC then restarts the game: `step` returns (0, True, {}), as if the episode had ended, and `reset` returns
        units of the previous episode.
        """
        if self._battle.force_restarts:
            raise WorkerError("the connection to the game was lost")

    def _sight(self) -> Sight:
        battle = self._battle
        units = [*battle.agents.values(), *battle.enemies.values()]
        rows = [(u.pos.x, u.pos.y, u.health, u.shield, u.energy, u.weapon_cooldown) for u in units]
        return Sight(
            np.array(battle.get_obs(), np.float32),
            np.array(battle.get_state(), np.float32),
            np.array(battle.get_avail_actions(), np.bool_),
            np.array(rows, np.float64),
        )

    def _unit_types(self) -> list[str]:
        """Return the units' type names by slot. Enemies are in the game's own order."""
        sides = ((self._battle.agents, self._scenario.ally_types), (self._battle.enemies, self._scenario.enemy_types))
        return [
            types[0] if len(types) == 1 else types[self._battle.get_unit_type_id(unit, types is sides[0][1])]
            for units, types in sides
            for unit in units.values()
        ]


def battle_class(scenario: Map) -> Any:
    """Return SMAC's environment class for a map. A map that SMAC does not know is registered first."""
    from absl import flags
    from smac.env import StarCraft2Env
    from smac.env.starcraft2.maps import smac_maps

    if not flags.FLAGS.is_parsed():  # pysc2 requires that its flags are parsed; there are none
        flags.FLAGS(["roma"])
    if scenario.name not in AUTHORS_MAP_TYPES:
        return StarCraft2Env
    if scenario.name not in smac_maps.get_smac_map_registry():
        smac_maps.get_smac_map_registry()[scenario.name] = map_params(scenario)
        # pysc2 finds maps among the living subclasses of its map class, so the module must keep a reference.
        known = type(scenario.name, (smac_maps.SMACMap,), {"filename": scenario.name})
        setattr(smac_maps, scenario.name, known)

    class CustomBattle(StarCraft2Env):
        """SMAC's environment with the unit types of a map of ROMA's authors."""

        def _init_ally_unit_types(self, min_unit_type: int) -> None:
            """Number the agents' unit types, which a map defines itself, consecutively in the order of the types."""
            self._min_unit_type = min_unit_type
            for index, name in enumerate(scenario.ally_types):
                setattr(self, f"{name.lower()}_id", min_unit_type + index)

        def get_unit_type_id(self, unit: Any, ally: bool) -> int:
            """Return the index of a unit's type bit. Enemies are the game's own units."""
            if ally:
                return int(unit.unit_type) - int(self._min_unit_type)
            return [UNITS[name][1] for name in scenario.enemy_types].index(unit.unit_type)

    return CustomBattle
