"""Observations, state and available actions, their parts and their sizes, with the methods of SMAC's class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from roma.envs.skirmish.interface import observe
from roma.envs.skirmish.options import EnvOptions
from roma.envs.smac.battlefield import Battlefield, replaced

WITHOUT_ACTIONS = EnvOptions(state_last_action=False)


class Observations(Battlefield):
    """Observations, state and available actions of the running episode."""

    obs_own_health: bool

    def get_obs(self) -> list[NDArray[np.float32]]:
        """Return the observations of all agents, each (get_obs_size(),)."""
        if replaced(self, Observations.get_obs_agent):
            return [self.get_obs_agent(agent_id) for agent_id in range(self.n_agents)]
        self._battle.require_begun()
        return list(self._battle.obs[0].copy())

    def get_obs_agent(self, agent_id: int) -> NDArray[np.float32]:
        """Return an agent's observation (get_obs_size(),). A dead agent observes zeros, except for the timestep."""
        self._battle.require_begun()
        return self._battle.obs[0, agent_id].copy()

    def get_obs_size(self) -> int:
        """Return the size of an observation, the sum of the sizes of its parts."""
        others = (self.get_obs_enemy_feats_size(), self.get_obs_ally_feats_size())
        sizes = (count * each for count, each in others)
        return self.get_obs_move_feats_size() + sum(sizes) + self.get_obs_own_feats_size()

    def get_obs_move_feats_size(self) -> int:
        """Return the size of an observation's first part: where the agent can move, and the terrain around it."""
        options = self._battle.options
        return (
            self.n_actions_move
            + self.n_obs_pathing * options.obs_pathing_grid
            + self.n_obs_height * options.obs_terrain_height
        )

    def get_obs_enemy_feats_size(self) -> tuple[int, int]:
        """Return the size of the second part, (enemies, features of each)."""
        rules, options = self._battle.rules, self._battle.options
        return self.n_enemies, 4 + rules.enemy_types + (1 + rules.enemy_shields) * options.obs_all_health

    def get_obs_ally_feats_size(self) -> tuple[int, int]:
        """Return the size of the third part, (other agents, features of each)."""
        rules, options = self._battle.rules, self._battle.options
        vitals = (1 + rules.ally_shields) * options.obs_all_health
        return self.n_agents - 1, 4 + rules.ally_types + vitals + self.n_actions * options.obs_last_action

    def get_obs_own_feats_size(self) -> int:
        """Return the size of the last part: the agent itself, and the timestep if it is observed."""
        rules = self._battle.rules
        timestep = (1 + rules.spare_own_feature) * self._battle.options.obs_timestep_number
        return rules.ally_types + (1 + rules.ally_shields) * self.obs_own_health + timestep

    def get_state(self) -> NDArray[np.float32]:
        """Return the global state (get_state_size(),)."""
        self._battle.require_begun()
        if self._battle.options.obs_instead_of_state:
            return np.concatenate(self.get_obs()).astype(np.float32)
        if replaced(self, Observations.get_state_dict):
            return np.concatenate([np.ravel(part) for part in self.get_state_dict().values()]).astype(np.float32)
        return self._battle.state[0].copy()

    def get_state_dict(self) -> dict[str, Any]:
        """Return the global state by parts.

        Returns:
            allies (n_agents, get_ally_num_attributes()), enemies (n_enemies, get_enemy_num_attributes()), and, if the
            options ask for them, last_action (n_agents, n_actions) and timestep, a fraction of the episode limit.
        """
        battle, options = self._battle, self._battle.options
        battle.require_begun()
        state = observe(
            battle.info.map_name, battle.snapshots[0, : self.n_agents], battle.snapshots[0, self.n_agents :],
            options=WITHOUT_ACTIONS,
        )[1].astype(np.float64)  # fmt: skip
        allies, enemies = np.split(state, [self.n_agents * self.get_ally_num_attributes()])
        parts: dict[str, Any] = {
            "allies": allies.reshape(self.n_agents, -1),
            "enemies": enemies.reshape(self.n_enemies, -1),
        }
        if options.state_last_action:
            parts["last_action"] = self.last_action
        if options.state_timestep_number:
            parts["timestep"] = self._episode_steps / self.episode_limit
        return parts

    def get_ally_num_attributes(self) -> int:
        """Return the number of features of an agent in the state."""
        return len(self.ally_state_attr_names)

    def get_enemy_num_attributes(self) -> int:
        """Return the number of features of an enemy in the state."""
        return len(self.enemy_state_attr_names)

    def get_state_size(self) -> int:
        """Return the size of the state."""
        if self._battle.options.obs_instead_of_state:
            return self.get_obs_size() * self.n_agents
        return self._battle.info.state_size

    def get_avail_actions(self) -> list[list[int]]:
        """Return each agent's available actions: 1 available, 0 not."""
        if replaced(self, Observations.get_avail_agent_actions):
            return [self.get_avail_agent_actions(agent_id) for agent_id in range(self.n_agents)]
        self._battle.require_begun()
        available: list[list[int]] = self._battle.avail_actions[0].view(np.int8).tolist()
        return available

    def get_avail_agent_actions(self, agent_id: int) -> list[int]:
        """Return an agent's available actions: 1 available, 0 not."""
        self._battle.require_begun()
        available: list[int] = self._battle.avail_actions[0, agent_id].view(np.int8).tolist()
        return available
