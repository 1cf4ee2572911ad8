"""PettingZoo's parallel interface on the embedded engine.

    from roma.envs.pettingzoo import parallel_env
    env = parallel_env("2s3z")

All agents share the team's reward and stay in `agents` until the battle ends, as learners of SMAC expect: a dead agent
sees zeros and its mask allows only action 0. A battle that is won, lost or drawn terminates, one that runs out of time
is truncated, for all agents at once. PettingZoo's own tests sample without masks, so an action that is not available is
played as `stop` (as no-op by the dead), and the agent's info says so under `unavailable_action`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import gymnasium
import numpy as np
import pettingzoo
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from roma.envs.skirmish.options import Choices, EnvOptions
from roma.envs.skirmish.replays.battle import GOES_ON, TIME_LIMIT, WON, Battle, next_seed, seed_stream
from roma.errors import UserError, unknown
from roma.scenarios.actions import NOTHING
from roma.scenarios.rows import HEALTH

STOP = 1
RENDER_MODES = ("rgb_array",)

Observation = dict[str, NDArray[Any]]
Info = dict[str, Any]


class SkirmishParallelEnv(pettingzoo.ParallelEnv[str, Observation, int]):
    """One battle at a time. Observations are {"observation": (O,) float32, "action_mask": (U,) int8}."""

    def __init__(self, map_name: str, options: EnvOptions, choices: Choices | None, render_mode: str | None) -> None:
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise UserError(f"render_mode {render_mode!r} is not one of {', '.join(RENDER_MODES)}, None")
        self._battle = Battle(map_name, options, choices)
        info = self._battle.info
        self.metadata = {"name": f"skirmish_{info.map_name}", "render_modes": list(RENDER_MODES), "render_fps": 2}
        self.render_mode = render_mode
        agent_types = self._battle.unit_types[: info.n_agents]
        self.possible_agents = [f"{name.lower()}_{slot}" for slot, name in enumerate(agent_types)]
        self.agents: list[str] = []
        self.observation_spaces = {
            agent: gymnasium.spaces.Dict(
                {
                    "observation": Box(-1.0, 1.0, (info.obs_size,), np.float32),
                    "action_mask": Box(0, 1, (info.n_actions,), np.int8),
                }
            )
            for agent in self.possible_agents
        }
        self.action_spaces = {agent: Discrete(info.n_actions) for agent in self.possible_agents}
        self.state_space = Box(-np.inf, np.inf, (info.state_size,), np.float32)
        self._battle_seeds = seed_stream(None)[1]

    def observation_space(self, agent: str) -> gymnasium.spaces.Dict:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Discrete:
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, Info]]:
        """Begin the next battle; `seed` decides this one and all that follow without one. `options` are not used."""
        if seed is not None:
            self._battle_seeds = seed_stream(seed)[1]
        self._battle.begin(next_seed(self._battle_seeds))
        self.agents = list(self.possible_agents)
        return self._observations(), self._infos()

    def step(
        self, actions: Mapping[str, int]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, Info]]:
        """Play one timestep; returns observations, rewards, terminations, truncations and infos.

        UserError if an agent's action is missing or out of bounds, or no battle is going on.
        """
        if not self.agents:
            raise UserError("no battle is going on: reset first")
        for agent in self.agents:
            if agent not in actions or not self.action_spaces[agent].contains(actions[agent]):
                raise UserError(
                    f"{agent} needs an action below {self._battle.info.n_actions}, not {actions.get(agent)}"
                )
        chosen = np.array([actions[agent] for agent in self.agents])
        slots = np.arange(len(chosen))
        available = self._battle.avail_actions[0, slots, chosen].copy()
        alive = self._battle.snapshots[0, slots, HEALTH] > 0
        reward = self._battle.play(np.where(available, chosen, np.where(alive, STOP, NOTHING)))

        observations, infos, result = self._observations(), self._infos(), self._battle.result
        for agent, was_available in zip(self.agents, available, strict=True):
            infos[agent]["unavailable_action"] = not was_available
        rewards = dict.fromkeys(self.agents, reward)
        terminations = dict.fromkeys(self.agents, result not in (GOES_ON, TIME_LIMIT))
        truncations = dict.fromkeys(self.agents, result == TIME_LIMIT)
        if result != GOES_ON:
            self.agents = []
        return observations, rewards, terminations, truncations, infos

    def state(self) -> NDArray[np.float32]:
        """SMAC's global state, (S,)."""
        return self._battle.state[0].copy()

    def render(self) -> NDArray[np.uint8] | None:
        """The battle as it stands, a picture (height, width, 3); None without `render_mode`."""
        if self.render_mode is None:
            return None
        from roma.envs.skirmish.replays.drawing import picture

        return picture(self._battle.recording("PettingZoo"), -1)

    def close(self) -> None:
        """Nothing is held open."""

    def _masks(self) -> NDArray[np.int8]:
        return self._battle.avail_actions[0].astype(np.int8)

    def _observations(self) -> dict[str, Observation]:
        return {
            agent: {"observation": seen, "action_mask": mask}
            for agent, seen, mask in zip(self.agents, self._battle.obs[0].copy(), self._masks(), strict=True)
        }

    def _infos(self) -> dict[str, Info]:
        won, alive = self._battle.result == WON, self._battle.snapshots[0, :, HEALTH] > 0
        return {
            agent: {"action_mask": mask, "alive": bool(lives), "battle_won": won}
            for agent, mask, lives in zip(self.agents, self._masks(), alive, strict=False)
        }


def parallel_env(
    map_name: str, render_mode: str | None = None, choices: Choices | None = None, **options: Any
) -> SkirmishParallelEnv:
    """A map as a PettingZoo parallel environment.

    `options` are the fields of `EnvOptions`, SMAC's names; `choices` are the engine's own settings. UserError for an
    unknown map, option or render mode.
    """
    known = [field.name for field in fields(EnvOptions)]
    for name in options:
        if name not in known:
            raise unknown("option", name, known)
    return SkirmishParallelEnv(map_name, EnvOptions(**options), choices, render_mode)
