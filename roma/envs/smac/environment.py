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
REPLAYS = "replays"  # where replays go unless `replay_dir` says otherwise


class StarCraft2Env(Commands):
    """One battle at a time, with SMAC's interface. UserError for an argument that the embedded engine cannot honour.

    A subclass that replaces a part changes the whole, as in SMAC: `get_obs_agent` shows in `get_obs`, `reset` and,
    under `obs_instead_of_state`, `get_state`; `get_avail_agent_actions` in `get_avail_actions`; `get_state_dict` in
    `get_state`; `reward_battle` and `update_units` in `step`; sizes of parts in `get_obs_size`.

    Two arguments are not SMAC's: `choices` are the engine's own settings, `is_replay` is of the ROMA authors' fork.
    """

    last_stats = renderer = None  # SMAC has them and leaves them so

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
            LOG.warning(
                "game_version = %r has no meaning here: battles are fought by the embedded engine", game_version
            )
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
        """Return the seed of the whole sequence of battles. With an argument: begin the sequence of that seed first."""
        if seed is not None:
            self._seeds = EpisodeSeeds(seed)
            self._seed = self._seeds.seed
        return self._seed

    def full_restart(self) -> None:
        """Begin the sequence of battles anew, as SMAC does when it starts the game anew. Call `reset` next."""
        self.seed(self._seed)
        self.force_restarts += 1

    def reset(self) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
        """Begin the next battle; returns (observations, state)."""
        self._battle.begin(self._seeds.next())
        self._episode_steps, self._units = 0, None
        self.win_counted = self.defeat_counted = False
        self.heuristic_targets = [None] * self.n_agents
        self.init_units()
        return self.get_obs(), self.get_state()

    def step(self, actions: Iterable[Any]) -> tuple[float, bool, dict[str, bool | int]]:
        """Play one timestep; returns (reward, terminated, info).

        An action may be an integer, a whole float, a NumPy or torch scalar, or an array of one of these. Under
        `heuristic_ai` the actions are ignored and, as in SMAC, overwritten by those of the scripted policy. Info has
        battle_won, on SMAC's own maps dead_allies and dead_enemies, and, after a time-out of a `continuing_episode`,
        episode_limit.

        Raises:
            ValueError: an action is not available or no number, or there is not one for each agent.
            UserError: no battle is going on.
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
        """Return how the last timestep ended: 1 won, -1 lost, 0 draw, None otherwise."""
        return END_CODES.get(self._battle.result)

    def reward_battle(self) -> float:
        """Return the reward of the last timestep before scaling, without what winning or losing brings; 0 if sparse."""
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
        """Actions of an agent, available or not."""
        return self.n_actions

    def get_env_info(self) -> dict[str, Any]:
        """Sizes and names of the features of a unit in the state."""
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
        """Counts since the environment was made. As in SMAC, draws are the battles that ran out of time."""
        return {
            "battles_won": self.battles_won,
            "battles_game": self.battles_game,
            "battles_draw": self.timeouts,
            "win_rate": self.battles_won / max(self.battles_game, 1),
            "timeouts": self.timeouts,
            "restarts": self.force_restarts,
        }

    def save_replay(self) -> Path:
        """Write the current battle, as far as it was played, to REPLAY_DIR/PREFIX_NUMBER.safetensors; returns the path.

        The folder is `replays` below the working directory unless `replay_dir` says otherwise, the prefix is the map's
        name unless `replay_prefix` does, and the number is the first free one from 1. The path is logged, too.
        `roma play --recording` draws the battle.
        """
        from roma.envs.skirmish.recordings.file import save

        recording = self._battle.recording(self._player())
        folder = Path(self.replay_dir or REPLAYS).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            path = folder / f"{self.replay_prefix or self.map_name}_{number}.safetensors"
            try:
                path.touch(exist_ok=False)  # so that workers which save at once do not share a number
                break
            except FileExistsError:
                continue
        save(path, recording)
        LOG.info("Replay saved at: %s", path)
        return path

    def render(self, mode: str = "human") -> NDArray[np.uint8] | str | None:
        """Show the battle as it stands.

        Args:
            mode: `human` writes it into the terminal as text, `ansi` returns that text, `rgb_array` returns a picture
                (height, width, 3).

        Raises:
            UserError: there is no such mode, or no battle yet.
        """
        from roma.envs.skirmish.recordings.shown import shown

        return shown(self._battle, mode, self._player())

    def close(self) -> None:
        """Nothing is held open."""

    def _total_reward(self, reward: float, end: int | None) -> float:
        """What `step` returns for a reward of `reward_battle`."""
        options = self._battle.options
        if end in (1, -1):
            if options.reward_sparse:
                reward = end
            else:
                reward += options.reward_win if end == 1 else options.reward_defeat
        return float(reward / (self.max_reward / options.reward_scale_rate if options.reward_scale else 1))

    def _tell_scripted(self, actions: Any) -> None:
        """Write the scripted policy's actions where the caller's stand, and remember its targets."""
        taken = self._battle.last_actions[0].tolist()
        if hasattr(actions, "__setitem__"):
            for agent, action in enumerate(taken):
                actions[agent] = action
        attacks = self.n_actions_no_attack
        self.heuristic_targets = [action - attacks if action >= attacks else None for action in taken]

    def _player(self) -> str:
        return "heuristic_ai" if self.heuristic_ai else "StarCraft2Env"


class Option:
    """The value of an option, which an environment keeps as it was made."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, env: StarCraft2Env | None, owner: type) -> Any:
        return self if env is None else getattr(env._battle.options, self._name)

    def __set__(self, env: StarCraft2Env, value: Any) -> None:
        raise AttributeError(f"{self._name} cannot be changed to {value!r}: make an environment with it")


for _option in fields(EnvOptions):
    if _option.name not in ("move_amount", "obs_own_health"):  # SMAC hides the first and derives the second
        setattr(StarCraft2Env, _option.name, Option(_option.name))
