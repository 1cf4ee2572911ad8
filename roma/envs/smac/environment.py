"""SMAC's environment class: episodes, observations, state, rewards, replays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from itertools import count
from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roma.envs.episode_seeds import EpisodeSeeds
from roma.envs.skirmish.compilation import compile_once
from roma.envs.skirmish.options import Choices, EnvOptions
from roma.envs.skirmish.recordings.battle import DRAW, LOST, TIME_LIMIT, WON, Battle
from roma.envs.smac.battlefield import replaced
from roma.envs.smac.commands import Commands, action_numbers
from roma.scenarios.rows import HEALTH, SHIELD
from roma.support.errors import UserError

LOG = getLogger("roma.envs.smac")
END_CODES = {WON: 1, LOST: -1, DRAW: 0}
REPLAYS = "replays"  # default of `replay_dir`


class StarCraft2Env(Commands):
    """SMAC's environment on the embedded engine; arguments and defaults are SMAC's.

    A subclass that overrides a part changes the whole, as in SMAC: `get_obs_agent` affects `get_obs`, `reset` and,
    under `obs_instead_of_state`, `get_state`; `get_avail_agent_actions` affects `get_avail_actions`; `get_state_dict`
    affects `get_state`; `reward_battle` and `update_units` affect `step`; sizes of parts affect `get_obs_size`.

    Two arguments are not SMAC's: `choices` has the engine's own settings, and `is_replay` exists in the ROMA authors'
    fork of SMAC.

    Raises:
        UserError: The embedded engine does not support the value of an argument.
    """

    last_stats = renderer = None  # SMAC defines both and never sets them

    def __init__(
        self,
        map_name: str = "8m",
        step_mul: int = 8,
        move_amount: float = 2,
        difficulty: str = "7",
        game_version: str | None = None,
        seed: int | None = None,
        continuing_episode: bool = False,
        obs_all_health: bool = True,
        obs_own_health: bool = True,
        obs_last_action: bool = False,
        obs_pathing_grid: bool = False,
        obs_terrain_height: bool = False,
        obs_instead_of_state: bool = False,
        obs_timestep_number: bool = False,
        state_last_action: bool = True,
        state_timestep_number: bool = False,
        reward_sparse: bool = False,
        reward_only_positive: bool = True,
        reward_death_value: float = 10,
        reward_win: float = 200,
        reward_defeat: float = 0,
        reward_negative_scale: float = 0.5,
        reward_scale: bool = True,
        reward_scale_rate: float = 20,
        replay_dir: str = "",
        replay_prefix: str = "",
        window_size_x: int = 1920,
        window_size_y: int = 1200,
        heuristic_ai: bool = False,
        heuristic_rest: bool = False,
        debug: bool = False,
        *,
        is_replay: bool = False,
        choices: Choices | None = None,
    ) -> None:
        given = locals()
        fixed = (
            ("step_mul", step_mul, 8, "a timestep has 8 game loops"),
            ("difficulty", str(difficulty), "7", "enemies have one behaviour"),
            ("heuristic_rest", heuristic_ai and heuristic_rest, False, "the scripted policy has no such variant"),
            ("is_replay", is_replay, False, "`save_replay` records units"),
        )
        for name, value, only, reason in fixed:
            if value != only:
                raise UserError(f"{name} = {value!r}: the embedded engine knows only {only!r} ({reason})")
        if game_version is not None:
            LOG.warning("game_version = %r has no effect: the embedded engine is not StarCraft II", game_version)
        options = EnvOptions(**{field.name: given[field.name] for field in fields(EnvOptions)})
        compile_once()
        super().__init__(Battle(map_name, options, choices))
        self.map_name, self.difficulty, self.game_version = map_name, difficulty, game_version
        self.heuristic_ai, self.heuristic_rest, self.debug = heuristic_ai, heuristic_rest, debug
        self.replay_dir, self.replay_prefix = replay_dir, replay_prefix
        self.window_size = (window_size_x, window_size_y)
        self.obs_own_health = obs_own_health or obs_all_health
        self.max_reward = self.n_enemies * reward_death_value + reward_win + self._battle.rules.enemy_points
        self._seeds = EpisodeSeeds(seed)
        self._seed = self._seeds.seed
        self._counts_deaths = self._scenario.interface == "smac"
        self.battles_won = self.battles_game = self.timeouts = self.force_restarts = 0
        self._episode_count = self._total_steps = 0
        self.reward = 0.0
        self.win_counted = self.defeat_counted = False
        self.heuristic_targets = [None] * self.n_agents

    def seed(self, seed: int | None = None) -> int:
        """Return the seed of the sequence of episodes. With an argument, begin the sequence of that seed first."""
        if seed is not None:
            self._seeds = EpisodeSeeds(seed)
            self._seed = self._seeds.seed
        return self._seed

    def full_restart(self) -> None:
        """Restart the sequence of episodes, as SMAC does when it restarts the game. Call `reset` next."""
        self.seed(self._seed)
        self.force_restarts += 1

    def reset(self) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
        """Begin the next episode and return (observations, state)."""
        self._battle.begin(self._seeds.next())
        self._episode_steps, self._units = 0, None
        self.win_counted = self.defeat_counted = False
        self.heuristic_targets = [None] * self.n_agents
        self.init_units()
        return self.get_obs(), self.get_state()

    def step(self, actions: Iterable[Any]) -> tuple[float, bool, dict[str, bool | int]]:
        """Play one timestep.

        Args:
            actions: For each agent an integer, a whole float, a NumPy or torch scalar, or an array of one of these.
                Under `heuristic_ai` they are ignored and, as in SMAC, overwritten by those of the scripted policy.

        Returns:
            (reward, terminated, info). Info has battle_won, on SMAC's own maps dead_allies and dead_enemies, and, after
            a time-out with `continuing_episode`, episode_limit.

        Raises:
            ValueError: An action is not available or not a number, or the number of actions is wrong.
            UserError: No episode is running.
        """
        battle = self._battle
        reward = battle.play(None if self.heuristic_ai else action_numbers(actions))
        self._seeds.note(battle.last_actions)
        if self.heuristic_ai:
            self._tell_scripted(actions)
        self._units = None
        self._episode_steps += 1
        self._total_steps += 1
        end = self.update_units()
        if replaced(self, StarCraft2Env.reward_battle):
            reward = self._total_reward(self.reward_battle(), end)
        self.reward = reward

        info: dict[str, bool | int] = {"battle_won": end == 1}
        if self._counts_deaths:
            info["dead_allies"], info["dead_enemies"] = battle.deaths
        out_of_time = end is None and battle.result == TIME_LIMIT
        if out_of_time and battle.options.continuing_episode:
            info["episode_limit"] = True
        terminated = end is not None or out_of_time
        if terminated:
            self._episode_count += 1
            self.battles_game += 1
            self.battles_won += end == 1
            self.timeouts += out_of_time
            self.win_counted, self.defeat_counted = end == 1, end == -1
        return reward, terminated, info

    def update_units(self) -> int | None:
        """Return the result of the last timestep: 1 won, -1 lost, 0 draw, None otherwise."""
        return END_CODES.get(self._battle.result)

    def reward_battle(self) -> float:
        """Return the unscaled reward of the last timestep, without the reward for a win or defeat; 0 if sparse."""
        options, units = self._battle.options, slice(self.n_agents)
        if options.reward_sparse or not self._episode_steps:
            return 0.0
        before, after = self._battle.before, self._battle.snapshots[0]
        alive, survives = before[:, HEALTH] > 0, after[:, HEALTH] > 0
        points = [(rows[:, HEALTH] + rows[:, SHIELD]) * lives for rows, lives in ((before, alive), (after, survives))]
        worth = points[0] - points[1] + options.reward_death_value * (alive & ~survives)
        dealt, taken = worth[self.n_agents :].sum(), worth[units].sum()
        return float(abs(dealt) if options.reward_only_positive else dealt - options.reward_negative_scale * taken)

    def get_total_actions(self) -> int:
        """Return the number of actions of an agent, available or not."""
        return self.n_actions

    def get_env_info(self) -> dict[str, Any]:
        """Return the sizes of the map, and the names of each unit's features in the state."""
        return {
            "state_shape": self.get_state_size(),
            "obs_shape": self.get_obs_size(),
            "n_actions": self.get_total_actions(),
            "n_agents": self.n_agents,
            "episode_limit": self.episode_limit,
            "agent_features": self.ally_state_attr_names,
            "enemy_features": self.enemy_state_attr_names,
        }

    def get_stats(self) -> dict[str, float]:
        """Return counts since the environment was made. As in SMAC, draws are the episodes that reached the limit."""
        return {
            "battles_won": self.battles_won,
            "battles_game": self.battles_game,
            "battles_draw": self.timeouts,
            "win_rate": self.battles_won / max(self.battles_game, 1),
            "timeouts": self.timeouts,
            "restarts": self.force_restarts,
        }

    def save_replay(self) -> Path:
        """Write a recording of the current episode so far; return its path and log it.

        The path is `replay_dir`/`replay_prefix`_NUMBER.safetensors. By default the folder is `replays` in the working
        directory and the prefix is the map's name. The number is the first free one from 1. `roma play --recording`
        draws the recording.

        Raises:
            UserError: There was no reset yet.
        """
        from roma.envs.skirmish.recordings.file import save

        recording = self._battle.recording(self._player())
        folder = Path(self.replay_dir or REPLAYS).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            path = folder / f"{self.replay_prefix or self.map_name}_{number}.safetensors"
            try:
                path.touch(exist_ok=False)  # reserves the number if several workers save at once
                break
            except FileExistsError:
                continue
        save(path, recording)
        LOG.info("Replay saved at: %s", path)
        return path

    def render(self, mode: str = "human") -> NDArray[np.uint8] | str | None:
        """Show the current state.

        Args:
            mode: `human` prints it as text, `ansi` returns that text, `rgb_array` returns a picture (height, width, 3).

        Raises:
            UserError: There is no such mode, or there was no reset yet.
        """
        from roma.envs.skirmish.recordings.shown import shown

        return shown(self._battle, mode, self._player())

    def close(self) -> None:
        """Do nothing: the environment holds no resources."""

    def _total_reward(self, reward: float, end: int | None) -> float:
        """Return the reward of `step` for a reward of `reward_battle`."""
        options = self._battle.options
        if end in (1, -1):
            if options.reward_sparse:
                reward = end
            else:
                reward += options.reward_win if end == 1 else options.reward_defeat
        return float(reward / (self.max_reward / options.reward_scale_rate if options.reward_scale else 1))

    def _tell_scripted(self, actions: Any) -> None:
        """Overwrite the caller's actions with the scripted policy's, as SMAC does, and remember its targets."""
        taken = self._battle.last_actions[0].tolist()
        if hasattr(actions, "__setitem__"):
            for agent, action in enumerate(taken):
                actions[agent] = action
        attacks = self.n_actions_no_attack
        self.heuristic_targets = [action - attacks if action >= attacks else None for action in taken]

    def _player(self) -> str:
        return "heuristic_ai" if self.heuristic_ai else "StarCraft2Env"


class Option:
    """Read-only attribute with the value of an option."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, env: StarCraft2Env | None, owner: type) -> Any:
        return self if env is None else getattr(env._battle.options, self._name)

    def __set__(self, env: StarCraft2Env, value: Any) -> None:
        raise AttributeError(f"{self._name} cannot be changed to {value!r}: make a new environment with it")


for _option in fields(EnvOptions):
    if _option.name not in ("move_amount", "obs_own_health"):  # SMAC hides the first and derives the second
        setattr(StarCraft2Env, _option.name, Option(_option.name))
