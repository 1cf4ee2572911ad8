"""The real game behind `VectorEnv`: SMAC's environment, one worker process for each battle.

Nothing of SMAC is imported here but in the workers, and there only when one starts. A worker that dies, hangs or loses
its game is started anew; the battle it fought is reported as lost in the `Outcome`. Every worker has a guardian, a
process that does nothing but wait until the worker or the run is gone, in whatever way, and then ends the worker's
whole process group, its game included, and removes its temporary files.

Shapes as in `roma.envs.vector`.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import shutil
import signal
import tempfile
import time
import traceback
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import Enum
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from logging import getLogger
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roma.envs.starcraft2 import installation
from roma.envs.starcraft2.names import AUTHORS_MAP_TYPES, UNITS, map_params
from roma.envs.vector import EnvInfo, Outcome
from roma.scenarios import Map, load_map
from roma.support.errors import UserError
from roma.support.settings import AT_LEAST_ONE, Settings, setting

INSTALL = "pip install -c constraints.txt -e '.[starcraft2]'"  # in the project's folder
AFTER_RESUME = "replay and learner are restored exactly, battles begin anew"
LOG_BYTES = 8192  # of a game's log, attached when a run gives up


_game_setting = partial(setting, source="engine starcraft2")


@dataclass(frozen=True, slots=True)
class GameSettings(Settings):
    """How the game is played: SMAC's names and values, part of a run's configuration."""

    difficulty: Literal["1", "2", "3", "4", "5", "6", "7", "8", "9", "A"] = _game_setting(
        "7", "level of the game's own player; 7 is very hard"
    )
    step_mul: int = _game_setting(8, "game loops in a timestep", bound=AT_LEAST_ONE)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a game is waited for, and how often."""

    launch_seconds: float = 180  # until a game that is being started counts as hung
    step_seconds: float = 60  # until one that is being played does
    max_failures: int = 5  # of one battle in a row; one more ends the run


class Status(Enum):
    FRESH = "begun, no timestep played"
    RUNNING = "timesteps played"
    OVER = "ended, lost or never begun"


class Sight(NamedTuple):
    """What there is to see of one battle."""

    obs: NDArray[np.float32]  # (A, O)
    state: NDArray[np.float32]  # (S,)
    avail_actions: NDArray[np.bool_]  # (A, U)
    snapshot: NDArray[np.float64]  # (N, 6)


class WorkerError(Exception):
    """A worker is of no more use; the message says why."""


class StarCraft2:
    """E battles of one map in the real game; see `VectorEnv` for the meaning of each member.

    The seed that `reset` gives a battle becomes the seed of its game when that is started; a game then fights many
    battles, which no seed decides. UserError where the package, the game or the map is missing, and where one battle
    fails again and again.
    """

    deterministic = False  # no seed decides a battle

    def __init__(
        self,
        map_name: str,
        n_battles: int,
        settings: GameSettings | None = None,
        journal: list[dict[str, Any]] | None = None,
        patience: Patience | None = None,
    ) -> None:
        """`journal` is given an entry that is kept up to date: game, settings, seeds, battles lost."""
        if n_battles < 1:
            raise UserError(f"the number of battles must be at least 1, not {n_battles}")
        check_package()
        game = installation.installed_game()
        installation.check_map(game, map_name)
        self.n_battles = n_battles
        settings = settings or GameSettings()
        self._patience = patience or Patience()
        self._entry: dict[str, Any] = {
            "map": map_name,
            **facts(),
            **asdict(settings),
            "game_seeds": [],
            "lost_episodes": 0,
            "after_resume": AFTER_RESUME,
        }
        if journal is not None:
            journal.append(self._entry)
        self._workers = [Worker(map_name, settings, game.folder) for _ in range(n_battles)]
        self.close = weakref.finalize(self, _close, self._workers)
        self._failures = [0] * n_battles  # in a row
        self._status = [Status.OVER] * n_battles
        self.unit_types: list[list[str]] = [[] for _ in range(n_battles)]  # of each battle's units, by slot
        self.info = self._first_info(map_name)
        agents, units = self.info.n_agents, self.info.n_agents + self.info.n_enemies
        self.obs = np.zeros((n_battles, agents, self.info.obs_size), np.float32)
        self.state = np.zeros((n_battles, self.info.state_size), np.float32)
        self.avail_actions = np.zeros((n_battles, agents, self.info.n_actions), np.bool_)
        self.snapshots = np.zeros((n_battles, units, 6))

    def reset(self, seeds: NDArray[np.int64]) -> None:
        """Begin anew every battle of which a timestep has been played, or none yet; games are started as needed."""
        waiting = [battle for battle in range(self.n_battles) if self._status[battle] is not Status.FRESH]
        for battle in waiting:
            if self._status[battle] is Status.RUNNING:  # SMAC can begin anew only what has ended
                self._workers[battle].start()
        while waiting:
            self._send(waiting, [("reset", int(seeds[battle]) & 0x7FFFFFFF) for battle in waiting])
            for battle, (sight, unit_types, new_seed) in self._receive(waiting, self._patience.launch_seconds).items():
                self._show(battle, sight)
                self.unit_types[battle] = unit_types
                self._status[battle] = Status.FRESH
                if new_seed is not None:
                    self._entry["game_seeds"].append(new_seed)
            waiting = [battle for battle in waiting if self._status[battle] is not Status.FRESH]

    def step(self, actions: NDArray[np.int64], active: NDArray[np.bool_] | None = None) -> Outcome:
        """Play one timestep; ValueError names the first action that is not available."""
        reward = np.zeros(self.n_battles)
        terminated, won, lost = np.zeros((3, self.n_battles), np.bool_)
        played = [battle for battle in range(self.n_battles) if active is None or active[battle]]
        for battle in played:
            for agent, action in enumerate(actions[battle]):
                if not self.avail_actions[battle, agent, action]:
                    raise ValueError(f"battle {battle}: action {action} is not available to agent {agent}")
            self._status[battle] = Status.RUNNING
        lost[played] = True
        self._send(played, [("step", actions[battle].tolist()) for battle in played])
        for battle, answer in self._receive(played, self._patience.step_seconds).items():
            lost[battle] = False
            sight, reward[battle], terminated[battle], won[battle] = answer
            self._show(battle, sight)
            if terminated[battle]:
                self._status[battle] = Status.OVER
                self._failures[battle] = 0
        self._entry["lost_episodes"] += int(lost.sum())
        return Outcome(reward, terminated, won, lost)

    def observe_snapshots(self, *arguments: Any) -> None:
        """Not possible: what was seen in the real game is stored with its episodes."""
        raise NotImplementedError("observations of the real game are recorded, they cannot be rebuilt")

    def save_replays(self, directory: Path) -> list[Path]:
        """The game's own replay of each battle's game, with all its battles so far, one folder a battle."""
        begun = [battle for battle in range(self.n_battles) if self.unit_types[battle]]
        folders = [directory.resolve() / f"battle{battle}" for battle in begun]
        self._send(begun, [("save_replay", str(folder)) for folder in folders])
        self._receive(begun, self._patience.step_seconds)
        return sorted(path for folder in folders for path in folder.glob("*.SC2Replay"))

    def _show(self, battle: int, sight: Sight) -> None:
        self.obs[battle], self.state[battle] = sight.obs, sight.state
        self.avail_actions[battle], self.snapshots[battle] = sight.avail_actions, sight.snapshot

    def _first_info(self, map_name: str) -> EnvInfo:
        """Sizes as SMAC gives them."""
        while True:
            self._send([0], [("info", None)])
            for info in self._receive([0], self._patience.launch_seconds).values():
                return EnvInfo(
                    map_name=map_name,
                    n_agents=info["n_agents"],
                    n_enemies=info["n_actions"] - 6,
                    n_actions=info["n_actions"],
                    obs_size=info["obs_shape"],
                    state_size=info["state_shape"],
                    episode_limit=info["episode_limit"],
                    state_last_actions=True,  # SMAC's default
                )

    def _send(self, battles: Sequence[int], messages: Sequence[tuple[str, Any]]) -> None:
        for battle, message in zip(battles, messages, strict=True):
            self._workers[battle].send(message)

    def _receive(self, battles: Sequence[int], seconds: float) -> dict[int, Any]:
        """The answers of the workers that have one; those that fail are started anew, and their battles are over."""
        deadline = time.monotonic() + seconds
        answers = {}
        for battle in battles:
            try:
                answers[battle] = self._workers[battle].receive(max(deadline - time.monotonic(), 0.0))
            except WorkerError as failure:
                self._fail(battle, str(failure))
        return answers

    def _fail(self, battle: int, reason: str) -> None:
        worker = self._workers[battle]
        self._failures[battle] += 1
        self._status[battle] = Status.OVER
        if self._failures[battle] > self._patience.max_failures:
            worker.stop()
            log = worker.log_tail()
            raise UserError(
                f"StarCraft II failed {self._failures[battle]} times in a row in battle {battle} of "
                f"{self._entry['map']}, at last because {reason}; `roma starcraft2 doctor` looks for the cause",
                attachment=f"the end of the game's own log:\n{log}",
            )
        getLogger("roma.run").warning("battle %d is lost, as %s; its game is started anew", battle, reason)
        worker.start()


def check_package() -> None:
    """UserError, with what to run, unless the package of SMAC is there, and not the other of that name."""
    spec = find_spec("smac")
    if spec is None:
        raise UserError(f"engine 'starcraft2' needs SMAC, which is not installed; run: {INSTALL}")
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if not any((folder / "env" / "starcraft2").is_dir() for folder in folders):
        raise UserError(
            f"the installed package smac is another project than SMAC; run: pip uninstall --yes smac && {INSTALL}"
        )


def package_versions() -> dict[str, str | None]:
    """Versions of SMAC (its commit, where it came from git) and of what it stands on; None where one is missing."""
    return {name: _version(name) for name in ("smac", "pysc2", "s2clientprotocol", "protobuf")}


def _version(name: str) -> str | None:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    _, commit, after = (found.read_text("direct_url.json") or "").partition('"commit_id": "')
    return after.partition('"')[0] if commit else found.version


def facts() -> dict[str, Any]:
    """What is installed here: the game and its packages. UserError where there is no game."""
    game = installation.installed_game()
    return {"game_version": game.version, "game_build": game.build, "packages": package_versions()}


class Worker:
    """The process in which one battle after the other is fought, as seen from the run."""

    def __init__(self, map_name: str, settings: GameSettings, game_folder: Path) -> None:
        self._arguments = (map_name, settings, str(game_folder))
        self._process: Any = None
        self.start()

    def start(self) -> None:
        """Begins a new process, after ending the one before."""
        self.stop()
        context = multiprocessing.get_context("spawn")
        self._folder = Path(tempfile.mkdtemp(prefix="roma-starcraft2-"))
        log = self._folder / "game.log"
        log.touch()
        self._log = log.open("rb")  # readable even when the guardian has removed the folder
        self._connection, theirs = context.Pipe()
        arguments = (theirs, str(self._folder), str(log), *self._arguments)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def send(self, message: tuple[str, Any]) -> None:
        """What has died is noticed by `receive`."""
        with suppress(OSError):
            self._connection.send(message)

    def receive(self, seconds: float) -> Any:
        """The answer to the last message; WorkerError if there is none in so many seconds, or never will be."""
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
        """Ends the process, its game and its guardian; the game is given some seconds to end by itself."""
        if self._process is None:
            return
        if grace_seconds:
            self.send(("close", None))
            self._process.join(grace_seconds)
        self._process.kill()
        connection.wait([self._process.sentinel], 10)  # its guardian holds it too: all is gone
        self._process.join()
        self._connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)  # where no guardian was there yet
        self._process = None

    def log_tail(self) -> str:
        """The last lines that the worker and its game wrote."""
        self._log.seek(max(0, os.fstat(self._log.fileno()).st_size - LOG_BYTES))
        return self._log.read().decode(errors="replace")


def _close(workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.send(("close", None))
    for worker in workers:
        worker.stop(grace_seconds=10)


def _serve(pipe: Connection, folder: str, log: str, map_name: str, settings: GameSettings, game_folder: str) -> None:
    """A worker's whole life: answers messages (name, argument) by (whether it succeeded, result or reason)."""
    os.setsid()  # a group of its own, out of reach of signals that a terminal sends
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
    """Forks the process that ends this one's group when this one is gone, or the run at the other end of the pipe."""
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
        pass  # all of the group is gone
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)


class Host:
    """Answers a worker's messages with SMAC's environment."""

    def __init__(self, map_name: str, settings: GameSettings) -> None:
        self._scenario, self._settings = load_map(map_name), settings
        self._battle: Any = None

    def info(self, argument: None) -> dict[str, int]:
        """SMAC's `get_env_info`; no game is started."""
        names = ("n_agents", "n_actions", "obs_shape", "state_shape", "episode_limit")
        info = self._make(None).get_env_info()
        return {name: int(info[name]) for name in names}

    def reset(self, seed: int) -> tuple[Sight, list[str], int | None]:
        """Begins a battle; also gives the units' types and the seed of the game if it had to be started."""
        new_seed = None
        if self._battle is None:
            self._battle, new_seed = self._make(seed), seed
        self._battle.reset()
        self._check_connection()
        return self._sight(), self._unit_types(), new_seed

    def step(self, actions: Sequence[int]) -> tuple[Sight, float, bool, bool]:
        """Plays a timestep: what is then seen, reward, terminated, won."""
        reward, terminated, info = self._battle.step(actions)
        self._check_connection()
        return self._sight(), float(reward), bool(terminated), bool(info["battle_won"])

    def save_replay(self, directory: str) -> None:
        Path(directory).mkdir(parents=True, exist_ok=True)
        self._battle.replay_dir = directory
        self._battle.save_replay()

    def close(self) -> None:
        if self._battle is not None:
            self._battle.close()

    def _make(self, seed: int | None) -> Any:
        kind = battle_class(self._scenario)
        return kind(map_name=self._scenario.name, seed=seed, **asdict(self._settings))

    def _check_connection(self) -> None:
        """SMAC restarts a game whose connection broke: from `step` it then returns (0, True, {}), as if the battle had
        ended, and from `reset` units of the battle before."""
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
        """Names of the units' types by slot. Enemies stand in the order in which the game lists them."""
        sides = ((self._battle.agents, self._scenario.ally_types), (self._battle.enemies, self._scenario.enemy_types))
        return [
            types[0] if len(types) == 1 else types[self._battle.get_unit_type_id(unit, types is sides[0][1])]
            for units, types in sides
            for unit in units.values()
        ]


def battle_class(scenario: Map) -> Any:
    """SMAC's environment class for a map; one that SMAC does not know is registered with it."""
    from absl import flags
    from smac.env import StarCraft2Env
    from smac.env.starcraft2.maps import smac_maps

    if not flags.FLAGS.is_parsed():  # pysc2 asks for its flags, of which there are none here
        flags.FLAGS(["roma"])
    if scenario.name not in AUTHORS_MAP_TYPES:
        return StarCraft2Env
    if scenario.name not in smac_maps.get_smac_map_registry():
        smac_maps.get_smac_map_registry()[scenario.name] = map_params(scenario)
        # The game's package finds maps among the subclasses that are alive: the module keeps it, as it keeps its own.
        known = type(scenario.name, (smac_maps.SMACMap,), {"filename": scenario.name})
        setattr(smac_maps, scenario.name, known)

    class CustomBattle(StarCraft2Env):
        """Knows the units of a map of the authors."""

        def _init_ally_unit_types(self, min_unit_type: int) -> None:
            """The agents are units of the map's own, whose numbers follow each other in the order of their types."""
            self._min_unit_type = min_unit_type
            for index, name in enumerate(scenario.ally_types):
                setattr(self, f"{name.lower()}_id", min_unit_type + index)

        def get_unit_type_id(self, unit: Any, ally: bool) -> int:
            """Which of the type bits is set. The enemies are the game's own units."""
            if ally:
                return int(unit.unit_type) - int(self._min_unit_type)
            return [UNITS[name][1] for name in scenario.enemy_types].index(unit.unit_type)

    return CustomBattle
