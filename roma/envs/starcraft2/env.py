"""StarCraft II as a `VectorEnv`: SMAC's environment in one worker process for each battle.

A worker that dies, hangs or loses its game is restarted, and its episode is reported as lost in the `Outcome`.

Shapes as in `roma.envs.vector`.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roma.envs.starcraft2 import installation
from roma.envs.starcraft2.worker import GameSettings, Sight, Worker, WorkerError, close
from roma.envs.vector import EnvInfo, Outcome
from roma.support.errors import UserError

AFTER_RESUME = "replay and learner are restored exactly, battles begin anew"


@dataclass(frozen=True, slots=True)
class Patience:
    """Time limits for a game's answers, and the number of failures that end a run."""

    launch_seconds: float = 180  # after which a starting game counts as hung
    step_seconds: float = 60  # after which a running game counts as hung
    max_failures: int = 5  # consecutive failures of one battle; one more ends the run


class Status(Enum):
    """Status of a battle."""

    FRESH = "begun, no timestep played"
    RUNNING = "timesteps played"
    OVER = "ended, lost or never begun"


class StarCraft2:
    """E battles of one map in StarCraft II; see `VectorEnv` for its members.

    A game is started with the seed that `reset` gives its battle at that moment. It then plays many episodes, which no
    seed decides.

    Args:
        map_name: Canonical name of the map.
        n_battles: Number of parallel battles, E.
        settings: Settings of the game; None: their defaults.
        journal: List that gets one entry, which is kept up to date: game, settings, seeds, lost episodes.
        patience: Time limits; None: their defaults.

    Raises:
        UserError: The package, the game or the map is missing. Any method raises it if one battle fails repeatedly.
    """

    deterministic = False

    def __init__(
        self,
        map_name: str,
        n_battles: int,
        settings: GameSettings | None = None,
        journal: list[dict[str, Any]] | None = None,
        patience: Patience | None = None,
    ) -> None:
        if n_battles < 1:
            raise UserError(f"the number of battles must be at least 1, not {n_battles}")
        installation.check_package()
        game = installation.installed_game()
        installation.check_map(game, map_name)
        self.n_battles = n_battles
        settings = settings or GameSettings()
        self._patience = patience or Patience()
        self._entry: dict[str, Any] = {
            "map": map_name,
            **installation.facts(),
            **asdict(settings),
            "game_seeds": [],
            "lost_episodes": 0,
            "after_resume": AFTER_RESUME,
        }
        if journal is not None:
            journal.append(self._entry)
        self._workers = [Worker(map_name, settings, game.folder) for _ in range(n_battles)]
        self.close = weakref.finalize(self, close, self._workers)
        self._failures = [0] * n_battles  # consecutive failures of each battle
        self._status = [Status.OVER] * n_battles
        self.unit_types: list[list[str]] = [[] for _ in range(n_battles)]  # names by slot, for each battle
        self.info = self._first_info(map_name)
        agents, units = self.info.n_agents, self.info.n_agents + self.info.n_enemies
        self.obs = np.zeros((n_battles, agents, self.info.obs_size), np.float32)
        self.state = np.zeros((n_battles, self.info.state_size), np.float32)
        self.avail_actions = np.zeros((n_battles, agents, self.info.n_actions), np.bool_)
        self.snapshots = np.zeros((n_battles, units, 6))

    def reset(self, seeds: NDArray[np.int64]) -> None:
        """Begin new episodes, except in battles whose episode has no timestep yet. Games are started as needed."""
        waiting = [battle for battle in range(self.n_battles) if self._status[battle] is not Status.FRESH]
        for battle in waiting:
            if self._status[battle] is Status.RUNNING:  # SMAC cannot reset a running episode
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
        """Play one timestep; see `VectorEnv`.

        Raises:
            ValueError: An action is not available; the message names the first one.
        """
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
        """Refuse: observations of a non-deterministic engine are stored with its episodes.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            "observations of StarCraft II cannot be recomputed; they are stored with the episodes"
        )

    def save_replays(self, directory: Path) -> list[Path]:
        """Save the game's replay of each battle, with its episodes so far, in one folder a battle; return the files."""
        begun = [battle for battle in range(self.n_battles) if self.unit_types[battle]]
        folders = [directory.resolve() / f"battle{battle}" for battle in begun]
        self._send(begun, [("save_replay", str(folder)) for folder in folders])
        self._receive(begun, self._patience.step_seconds)
        return sorted(path for folder in folders for path in folder.glob("*.SC2Replay"))

    def _show(self, battle: int, sight: Sight) -> None:
        self.obs[battle], self.state[battle] = sight.obs, sight.state
        self.avail_actions[battle], self.snapshots[battle] = sight.avail_actions, sight.snapshot

    def _first_info(self, map_name: str) -> EnvInfo:
        """Return the sizes that SMAC reports."""
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
        """Return the workers' answers by battle. Failed workers are restarted, and their episodes are over."""
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
                f"{self._entry['map']}, the last time because {reason}; `roma starcraft2 doctor` looks for the cause",
                attachment=f"the end of the game's own log:\n{log}",
            )
        getLogger("roma.run").warning(
            "the episode of battle %d is lost because %s; its game is restarted", battle, reason
        )
        worker.start()
