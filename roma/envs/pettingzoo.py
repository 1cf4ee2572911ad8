"""PettingZoo's parallel interface on the embedded engine, and its turn-based one.

    from roma.envs.pettingzoo import parallel_env
    env = parallel_env("2s3z")

All agents share the team's reward and stay in `agents` until the episode ends, as learners for SMAC expect. A dead
agent observes zeros, and its mask allows only action 0. An episode that is won, lost or drawn terminates, and one that
reaches its time limit is truncated, for all agents at once. PettingZoo's own tests sample without masks. Therefore an
unavailable action is played as `stop` (as no-op by a dead agent), and the agent's info reports it under
`unavailable_action`.

`reset(seed=...)` seeds the episode that it begins. The seeds of later episodes follow from this seed, from their number
and from all actions so far. Workers with the same seed therefore share their first episode only. Give each worker its
own seed if their first episodes must differ, too.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal

import gymnasium
import numpy as np
import pettingzoo
from gymnasium.spaces import Box, Discrete
from gymnasium.utils import seeding
from numpy.typing import NDArray
from pettingzoo.utils.conversions import parallel_to_aec
from pettingzoo.utils.env_logger import EnvLogger
from pettingzoo.utils.wrappers import AssertOutOfBoundsWrapper, OrderEnforcingWrapper

from roma.envs.episode_seeds import EpisodeSeeds
from roma.envs.skirmish.compilation import compile_once
from roma.envs.skirmish.options import Choices, EnvOptions
from roma.envs.skirmish.recordings.battle import GOES_ON, TIME_LIMIT, WON, Battle
from roma.envs.skirmish.recordings.shown import RENDER_MODES, shown
from roma.scenarios.actions import NOTHING, STOP
from roma.scenarios.rows import HEALTH
from roma.support.errors import UserError, unknown

MASKS = ("info", "observation")
MOST_DELAY = 2  # game loops: the largest random addition to the time between two attacks

Observation = Any
Info = dict[str, Any]


class SkirmishParallelEnv(pettingzoo.ParallelEnv[str, Observation, int]):
    """Parallel environment of one map; see `parallel_env` for the arguments.

    Observations are {"observation": (O,) float32, "action_mask": (U,) int8}, or (O,) float32 alone with the mask in the
    infos. Infos always have the keys alive, battle_won and unavailable_action. `np_random` is a generator for the
    environment's users, which `reset(seed=...)` seeds; the engine does not draw from it.
    """

    def __init__(
        self,
        map_name: str,
        options: EnvOptions,
        choices: Choices | None,
        render_mode: str | None,
        max_cycles: int | None,
        mask: str,
    ) -> None:
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise UserError(f"render_mode {render_mode!r} is not one of {', '.join(RENDER_MODES)}, None")
        if mask not in MASKS:
            raise unknown("place of the mask", mask, MASKS)
        if max_cycles is not None and max_cycles < 1:
            raise UserError(f"max_cycles must be at least 1, or None, not {max_cycles}")
        compile_once()
        self._battle = Battle(map_name, options, choices)
        info = self._battle.info
        self.metadata = {
            "name": f"skirmish_{info.map_name}",
            "render_modes": list(RENDER_MODES),
            "render_fps": 2,
            "is_parallelizable": True,
        }
        self.render_mode, self.max_cycles, self._mask_in_info = render_mode, max_cycles, mask == "info"
        self.possible_agents = agent_names(self._battle.unit_types[: info.n_agents])
        self.agents: list[str] = []
        seen = Box(-1.0, 1.0, (info.obs_size,), np.float32)
        masks = Box(0, 1, (info.n_actions,), np.int8)
        whole = seen if self._mask_in_info else gymnasium.spaces.Dict({"observation": seen, "action_mask": masks})
        self.observation_spaces = {agent: copy.deepcopy(whole) for agent in self.possible_agents}
        self.action_spaces = {agent: Discrete(info.n_actions) for agent in self.possible_agents}
        self.state_space = Box(-1.0, self._greatest_state(), (info.state_size,), np.float32)
        self._seeds = EpisodeSeeds(None)
        self.np_random, self.np_random_seed = seeding.np_random(self._seeds.seed)

    def observation_space(self, agent: str) -> gymnasium.spaces.Space[Any]:
        """Return the observation space of an agent."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Discrete:
        """Return the action space of an agent."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, Info]]:
        """Begin the next episode; with `seed`, the first one of a new sequence. `options` is ignored."""
        if seed is not None:
            self._seeds = EpisodeSeeds(seed)
            self.np_random, self.np_random_seed = seeding.np_random(seed)
        self._battle.begin(self._seeds.next())
        self.agents = list(self.possible_agents)
        return self._observations(), self._infos(np.ones(len(self.agents), np.bool_))

    def step(
        self, actions: Mapping[str, int]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, Info]]:
        """Play one timestep.

        Args:
            actions: An action for each agent in `agents`.

        Returns:
            Observations, rewards, terminations, truncations and infos; five empty dictionaries if the episode has ended
            and `actions` is empty.

        Raises:
            UserError: An agent's action is missing or out of bounds, or no episode is running.
        """
        if not self.agents:
            if self._battle.result and not actions:
                return {}, {}, {}, {}, {}
            raise UserError("no episode is running: call reset first")
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
        self._seeds.note(self._battle.last_actions)

        result = self._battle.result
        out_of_time = result == TIME_LIMIT or (result == GOES_ON and self._battle.steps == self.max_cycles)
        rewards = dict.fromkeys(self.agents, reward)
        terminations = dict.fromkeys(self.agents, result not in (GOES_ON, TIME_LIMIT))
        truncations = dict.fromkeys(self.agents, out_of_time)
        outcome = self._observations(), rewards, terminations, truncations, self._infos(available)
        if result != GOES_ON or out_of_time:
            self.agents = []
        return outcome

    def state(self) -> NDArray[np.float32]:
        """Return SMAC's global state (S,).

        Raises:
            AssertionError: There was no reset yet, as PettingZoo requires.
        """
        if not self._battle.result:
            EnvLogger.error_state_before_reset()
        return self._battle.state[0].copy()

    def render(self) -> NDArray[np.uint8] | str | None:
        """Show the current state in the environment's `render_mode`.

        Returns:
            The text for `ansi`, a picture (height, width, 3) for `rgb_array`, None for `human`, which prints the text.

        Raises:
            AssertionError: There was no reset yet, as PettingZoo requires.
        """
        if self.render_mode is None:
            gymnasium.logger.warn("render() shows nothing: the environment was made without a render mode")
            return None
        if not self._battle.result:
            EnvLogger.error_render_before_reset()
        return shown(self._battle, self.render_mode, "PettingZoo")

    def close(self) -> None:
        """Do nothing: the environment holds no resources."""

    def _masks(self) -> NDArray[np.int8]:
        return self._battle.avail_actions[0].astype(np.int8)

    def _observations(self) -> dict[str, Observation]:
        seen = zip(self.agents, self._battle.obs[0].copy(), strict=True)
        if self._mask_in_info:
            return dict(seen)
        masks = self._masks()
        return {agent: {"observation": obs, "action_mask": masks[slot]} for slot, (agent, obs) in enumerate(seen)}

    def _infos(self, available: NDArray[np.bool_]) -> dict[str, Info]:
        won, alive = self._battle.result == WON, self._battle.snapshots[0, :, HEALTH] > 0
        infos: dict[str, Info] = {
            agent: {"alive": bool(lives), "battle_won": won, "unavailable_action": not fits}
            for agent, lives, fits in zip(self.agents, alive, available, strict=False)
        }
        if self._mask_in_info:
            for agent, mask in zip(self.agents, self._masks(), strict=True):
                infos[agent]["action_mask"] = mask
        return infos

    def _greatest_state(self) -> float:
        """Return the largest value in the state: cooldowns can exceed SMAC's scale; all other entries are at most 1."""
        agents = self._battle.rules.unit[: self._battle.info.n_agents]
        return float(max(1.0, np.ceil(((agents["period"] + MOST_DELAY) / agents["cooldown_scale"]).max())))


def parallel_env(
    map_name: str = "8m",
    render_mode: str | None = None,
    choices: Choices | None = None,
    max_cycles: int | None = None,
    mask: Literal["observation", "info"] = "observation",
    **options: Any,
) -> SkirmishParallelEnv:
    """Return a map as a PettingZoo parallel environment.

    Args:
        map_name: Name or alias of a map.
        render_mode: Mode of `render`: `human`, `ansi`, `rgb_array`, or None.
        choices: The engine's own settings; None: their defaults.
        max_cycles: Timesteps after which an episode is truncated; None: only the map's limit applies.
        mask: Place of the mask of available actions. With `observation`, each observation is a dictionary that has the
            mask under `action_mask`, as PettingZoo and TorchRL read it. With `info`, the mask is in the infos and each
            observation is one array, for wrappers that accept no dictionaries.
        options: Fields of `EnvOptions`, with SMAC's names.

    Raises:
        UserError: There is no such map, option, render mode or place of the mask.
    """
    known = [field.name for field in fields(EnvOptions)]
    for name in options:
        if name not in known:
            raise unknown("option", name, known)
    return SkirmishParallelEnv(map_name, EnvOptions(**options), choices, render_mode, max_cycles, mask)


def raw_env(*args: Any, **kwargs: Any) -> pettingzoo.AECEnv[str, Observation, int]:
    """Return a map as a turn-based PettingZoo environment (AEC); arguments as in `parallel_env`."""
    return parallel_to_aec(parallel_env(*args, **kwargs))


def env(*args: Any, **kwargs: Any) -> pettingzoo.AECEnv[str, Observation, int]:
    """Return `raw_env` with PettingZoo's checks of actions and of the order of calls."""
    return OrderEnforcingWrapper(AssertOutOfBoundsWrapper(raw_env(*args, **kwargs)))


def agent_names(unit_types: list[str]) -> list[str]:
    """Return agents' names: their type and a number from 0 within each type, as in SMAC's own wrapper."""
    counts: Counter[str] = Counter()
    names = []
    for name in map(str.lower, unit_types):
        names.append(f"{name}_{counts[name]}")
        counts[name] += 1
    return names
