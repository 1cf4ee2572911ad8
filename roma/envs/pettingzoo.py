"""PettingZoo's parallel interface on the embedded engine, and its turn-based one.

    from roma.envs.pettingzoo import parallel_env
    env = parallel_env("2s3z")

All agents share the team's reward and stay in `agents` until the battle ends, as learners of SMAC expect: a dead agent
sees zeros and its mask allows only action 0. A battle that is won, lost or drawn terminates, one that runs out of time
is truncated, for all agents at once. PettingZoo's own tests sample without masks, so an action that is not available is
played as `stop` (as no-op by the dead), and the agent's info says so under `unavailable_action`.

`reset(seed=...)` decides the battle that it begins. The seeds of later ones follow from it, from their number and from
all actions so far, so that workers with one seed play one first battle and different ones from then on. Give each
worker a seed of its own to have different first battles too.
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
MOST_DELAY = 2  # game loops by which chance may lengthen the time between two attacks

Observation = Any
Info = dict[str, Any]


class SkirmishParallelEnv(pettingzoo.ParallelEnv[str, Observation, int]):
    """One battle at a time; see `parallel_env` for the arguments.

    Observations are {"observation": (O,) float32, "action_mask": (U,) int8}, or (O,) float32 alone with the mask in the
    infos. Infos always have the keys alive, battle_won and unavailable_action. `np_random` is a generator for the
    environment's users, which `reset(seed=...)` seeds; the battles do not draw from it.
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
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Discrete:
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, Info]]:
        """Begin the next battle; with `seed` the first one of a new sequence. `options` are not used."""
        if seed is not None:
            self._seeds = EpisodeSeeds(seed)
            self.np_random, self.np_random_seed = seeding.np_random(seed)
        self._battle.begin(self._seeds.next())
        self.agents = list(self.possible_agents)
        return self._observations(), self._infos(np.ones(len(self.agents), np.bool_))

    def step(
        self, actions: Mapping[str, int]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, Info]]:
        """Play one timestep; returns observations, rewards, terminations, truncations and infos.

        After the end of the battle, no actions bring five empty dictionaries. UserError if an agent's action is missing
        or out of bounds, or no battle is going on.
        """
        if not self.agents:
            if self._battle.result and not actions:
                return {}, {}, {}, {}, {}
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
        """SMAC's global state, (S,). AssertionError before the first reset, as PettingZoo asks."""
        if not self._battle.result:
            EnvLogger.error_state_before_reset()
        return self._battle.state[0].copy()

    def render(self) -> NDArray[np.uint8] | str | None:
        """Show the battle as it stands, as `render_mode` says: `human` in the terminal, `ansi` as text, `rgb_array`
        as a picture (height, width, 3). AssertionError before the first reset, as PettingZoo asks."""
        if self.render_mode is None:
            gymnasium.logger.warn("render() shows nothing: the environment was made without a render mode")
            return None
        if not self._battle.result:
            EnvLogger.error_render_before_reset()
        return shown(self._battle, self.render_mode, "PettingZoo")

    def close(self) -> None:
        """Nothing is held open."""

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
        """The greatest number in the state: cooldowns, whose scales in SMAC are a little short; all else is below 1."""
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
        map_name: name or alias of a map.
        render_mode: what `render` does: `human`, `ansi`, `rgb_array`, or None.
        choices: the engine's own settings.
        max_cycles: timesteps after which a battle is truncated, if it lasts so long; None leaves it to the map's limit.
        mask: where the mask of available actions is: with `observation` each observation is a dictionary that has it
            under `action_mask`, as PettingZoo and TorchRL read it; with `info` the infos have it, and an observation is
            one array, for wrappers that take no dictionaries.
        options: fields of `EnvOptions`, with SMAC's names.

    Raises:
        UserError: there is no such map, option, render mode or place of the mask.
    """
    known = [field.name for field in fields(EnvOptions)]
    for name in options:
        if name not in known:
            raise unknown("option", name, known)
    return SkirmishParallelEnv(map_name, EnvOptions(**options), choices, render_mode, max_cycles, mask)


def raw_env(*args: Any, **kwargs: Any) -> pettingzoo.AECEnv[str, Observation, int]:
    """Return a map as a PettingZoo environment in which agents take turns; arguments as in `parallel_env`."""
    return parallel_to_aec(parallel_env(*args, **kwargs))


def env(*args: Any, **kwargs: Any) -> pettingzoo.AECEnv[str, Observation, int]:
    """Return `raw_env` behind PettingZoo's checks of actions and of the order of calls."""
    return OrderEnforcingWrapper(AssertOutOfBoundsWrapper(raw_env(*args, **kwargs)))


def agent_names(unit_types: list[str]) -> list[str]:
    """Names of agents by their types, counted from 0 within each type, as SMAC's own wrapper has them."""
    counts: Counter[str] = Counter()
    names = []
    for name in map(str.lower, unit_types):
        names.append(f"{name}_{counts[name]}")
        counts[name] += 1
    return names
