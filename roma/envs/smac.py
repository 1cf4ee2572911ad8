"""SMAC's environment class on the embedded engine: a drop-in for `smac.env.StarCraft2Env`.

    from roma.envs.smac import StarCraft2Env  # instead of: from smac.env import StarCraft2Env

Names, order and defaults of the arguments, return types and info keys are SMAC's (github.com/oxwhirl/smac). An argument
acts where the engine has what it asks for; where it has not, any value that would change results in SMAC is refused,
and what never touches results there (window size, debug) is accepted. Four things are deliberately unlike SMAC:
`get_obs_size` counts the spare feature that SMAC's own vectors carry under `obs_timestep_number`, so that sizes always
fit; terrain height reads 0, the maps are flat; `win_rate` is 0 before the first battle; `seed` also decides all later
battles, so that an environment with a seed repeats as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roma.envs.skirmish.options import Choices, EnvOptions
from roma.envs.skirmish.replays.battle import GOES_ON, TIME_LIMIT, WON, Battle, next_seed, seed_stream
from roma.errors import UserError
from roma.scenarios import load_map
from roma.scenarios.actions import SIGHT_RANGE
from roma.scenarios.rows import HEALTH, X, Y


class MultiAgentEnv:
    """SMAC's base class, for code that asks for it by name."""


class StarCraft2Env(MultiAgentEnv):
    """One battle at a time, with SMAC's interface. UserError for an argument that the embedded engine cannot honour.

    `choices`, the one argument that SMAC does not have, are the engine's own settings.
    """

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
        choices: Choices | None = None,
    ) -> None:
        fixed = (
            ("step_mul", step_mul, 8, "a timestep has 8 game loops"),
            ("difficulty", str(difficulty), "7", "enemies have one behaviour"),
            ("game_version", game_version, None, "there is no game"),
            ("heuristic_rest", heuristic_rest, False, "the scripted policy has no such variant"),
        )
        for name, value, only, reason in fixed:
            if value != only:
                raise UserError(f"{name} = {value!r}: the embedded engine knows only {only!r} ({reason})")
        options = EnvOptions(
            move_amount=move_amount,
            continuing_episode=continuing_episode,
            obs_all_health=obs_all_health,
            obs_own_health=obs_own_health,
            obs_last_action=obs_last_action,
            obs_pathing_grid=obs_pathing_grid,
            obs_terrain_height=obs_terrain_height,
            obs_instead_of_state=obs_instead_of_state,
            obs_timestep_number=obs_timestep_number,
            state_last_action=state_last_action,
            state_timestep_number=state_timestep_number,
            reward_sparse=reward_sparse,
            reward_only_positive=reward_only_positive,
            reward_death_value=reward_death_value,
            reward_win=reward_win,
            reward_defeat=reward_defeat,
            reward_negative_scale=reward_negative_scale,
            reward_scale=reward_scale,
            reward_scale_rate=reward_scale_rate,
        )
        self._battle = Battle(map_name, options, choices)
        info = self._battle.info
        self.map_name, self.episode_limit = map_name, info.episode_limit
        self.n_agents, self.n_enemies, self.n_actions = info.n_agents, info.n_enemies, info.n_actions
        self.continuing_episode, self.heuristic_ai = continuing_episode, heuristic_ai
        self.replay_dir, self.replay_prefix = replay_dir, replay_prefix
        self._counts_deaths = load_map(info.map_name).interface == "smac"
        self._seed, self._battle_seeds = seed_stream(seed)
        self.battles_won = self.battles_game = self.timeouts = 0

    def reset(self) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
        """Begin the next battle; returns (observations, state)."""
        self._battle.begin(next_seed(self._battle_seeds))
        return self.get_obs(), self.get_state()

    def step(self, actions: Sequence[int]) -> tuple[float, bool, dict[str, bool | int]]:
        """Play one timestep; returns (reward, terminated, info). Under `heuristic_ai` the actions are ignored.

        Info has battle_won, on SMAC's own maps dead_allies and dead_enemies, and, after a time-out of a
        `continuing_episode`, episode_limit. ValueError names the first action that is not available, and says so if
        there is not one for each agent.
        """
        battle = self._battle
        reward = battle.play(None if self.heuristic_ai else [int(action) for action in actions])
        info: dict[str, bool | int] = {"battle_won": battle.result == WON}
        if self._counts_deaths:
            info["dead_allies"], info["dead_enemies"] = battle.deaths
        terminated = battle.result != GOES_ON
        if terminated:
            self.battles_game += 1
            self.battles_won += battle.result == WON
        if battle.result == TIME_LIMIT:
            self.timeouts += 1
            if self.continuing_episode:
                info["episode_limit"] = True
        return reward, terminated, info

    def get_obs(self) -> list[NDArray[np.float32]]:
        """Observations of all agents, each (get_obs_size(),)."""
        self._battle.require_begun()
        return list(self._battle.obs[0].copy())

    def get_obs_agent(self, agent_id: int) -> NDArray[np.float32]:
        return self.get_obs()[agent_id]

    def get_obs_size(self) -> int:
        return self._battle.info.obs_size

    def get_obs_move_feats_size(self) -> int:
        """Features of an observation that tell where its agent may move, its first ones."""
        options = self._battle.options
        return 4 + 8 * options.obs_pathing_grid + 9 * options.obs_terrain_height

    def get_obs_enemy_feats_size(self) -> tuple[int, int]:
        """(enemies, features of each), which come next."""
        rules, options = self._battle.rules, self._battle.options
        return self.n_enemies, 4 + rules.enemy_types + (1 + rules.enemy_shields) * options.obs_all_health

    def get_obs_ally_feats_size(self) -> tuple[int, int]:
        """(other agents, features of each), which come next."""
        rules, options = self._battle.rules, self._battle.options
        vitals = (1 + rules.ally_shields) * options.obs_all_health
        return self.n_agents - 1, 4 + rules.ally_types + vitals + self.n_actions * options.obs_last_action

    def get_obs_own_feats_size(self) -> int:
        """Features of the agent itself, and the timestep if it is observed: the rest."""
        others = (self.get_obs_enemy_feats_size(), self.get_obs_ally_feats_size())
        return self.get_obs_size() - self.get_obs_move_feats_size() - sum(count * each for count, each in others)

    def get_visibility_matrix(self) -> NDArray[np.bool_]:
        """Whether each agent sees each other unit, (agents, agents + enemies): both alive, within sight, not itself."""
        self._battle.require_begun()
        units = self._battle.snapshots[0]
        alive, places = units[:, HEALTH] > 0, units[:, [X, Y]]
        near = ((places[: self.n_agents, None] - places) ** 2).sum(-1) < SIGHT_RANGE**2
        near &= alive[: self.n_agents, None] & alive
        np.fill_diagonal(near, False)
        seen: NDArray[np.bool_] = near
        return seen

    def get_state(self) -> NDArray[np.float32]:
        """The global state (get_state_size(),)."""
        self._battle.require_begun()
        return self._battle.state[0].copy()

    def get_state_size(self) -> int:
        return self._battle.info.state_size

    def get_avail_actions(self) -> list[list[int]]:
        """1 for each available action, 0 for the others, by agent."""
        self._battle.require_begun()
        available: list[list[int]] = self._battle.avail_actions[0].astype(int).tolist()
        return available

    def get_avail_agent_actions(self, agent_id: int) -> list[int]:
        return self.get_avail_actions()[agent_id]

    def get_total_actions(self) -> int:
        return self.n_actions

    def get_env_info(self) -> dict[str, Any]:
        """Sizes and names of the features of a unit in the state."""
        rules = self._battle.rules
        place, shield = ["rel_x", "rel_y"], ["shield"]
        return {
            "state_shape": self.get_state_size(),
            "obs_shape": self.get_obs_size(),
            "n_actions": self.n_actions,
            "n_agents": self.n_agents,
            "episode_limit": self.episode_limit,
            "agent_features": ["health", "energy/cooldown", *place, *shield * rules.ally_shields]
            + [f"type_{bit}" for bit in range(rules.ally_types)],
            "enemy_features": ["health", *place, *shield * rules.enemy_shields]
            + [f"type_{bit}" for bit in range(rules.enemy_types)],
        }

    def get_stats(self) -> dict[str, float]:
        """Counts since the environment was made. As in SMAC, draws are the battles that ran out of time."""
        return {
            "battles_won": self.battles_won,
            "battles_game": self.battles_game,
            "battles_draw": self.timeouts,
            "win_rate": self.battles_won / max(self.battles_game, 1),
            "timeouts": self.timeouts,
            "restarts": 0,
        }

    def seed(self) -> int:
        """The seed of the whole sequence of battles."""
        return self._seed

    def save_replay(self) -> Path:
        """Write the current battle, as far as it was played, to REPLAY_DIR/PREFIX_SEED.safetensors; returns the path.

        The prefix is the map's name unless `replay_prefix` says otherwise, the seed that of the battle.
        `roma play --replay` draws it.
        """
        from roma.envs.skirmish.replays.file import save

        self._battle.require_begun()
        path = Path(self.replay_dir, f"{self.replay_prefix or self.map_name}_{self._battle.seed}.safetensors")
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, self._battle.recording("heuristic_ai" if self.heuristic_ai else "StarCraft2Env"))
        return path

    def render(self) -> NDArray[np.uint8]:
        """The battle as it stands, a picture (height, width, 3)."""
        from roma.envs.skirmish.replays.drawing import picture

        return picture(self._battle.recording("heuristic_ai" if self.heuristic_ai else "StarCraft2Env"), -1)

    def close(self) -> None:
        """Nothing is held open."""
