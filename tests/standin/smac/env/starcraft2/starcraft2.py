"""The environment class, with a toy battle. Faults are asked for by files in the folder STANDIN_FAULTS:

lose      the connection breaks in a step: the game is restarted, and the step returns (0, True, {})
lose_in_reset  likewise in a reset, which then shows the battle before
hang      a step never returns
crash     the process dies in a step
no_launch (stays) the game dies as soon as it is started
"""

import json
import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from absl import flags

from smac.env.starcraft2.maps import smac_maps

HEALTH = {48: 45, 51: 125, 54: 150, 73: 100, 74: 80, 9: 30, 105: 35}
SHIELD = {73: 50, 74: 80}


def asked_for(fault):
    path = Path(os.environ["STANDIN_FAULTS"], fault)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


class StarCraft2Env:
    def __init__(
        self,
        map_name="8m",
        step_mul=8,
        move_amount=2,
        difficulty="7",
        game_version=None,
        seed=None,
        continuing_episode=False,
        obs_all_health=True,
        obs_own_health=True,
        obs_last_action=False,
        obs_pathing_grid=False,
        obs_terrain_height=False,
        obs_instead_of_state=False,
        obs_timestep_number=False,
        state_last_action=True,
        state_timestep_number=False,
        reward_sparse=False,
        reward_only_positive=True,
        reward_death_value=10,
        reward_win=200,
        reward_defeat=0,
        reward_negative_scale=0.5,
        reward_scale=True,
        reward_scale_rate=20,
        replay_dir="",
        replay_prefix="",
        window_size_x=1920,
        window_size_y=1200,
        heuristic_ai=False,
        heuristic_rest=False,
        debug=False,
    ):
        parameters = smac_maps.get_smac_map_registry()[map_name]
        self.map_name, self.step_mul, self.difficulty = map_name, step_mul, difficulty
        self.n_agents, self.n_enemies = parameters["n_agents"], parameters["n_enemies"]
        self.episode_limit = parameters["limit"]
        self.unit_type_bits, self.map_type = parameters["unit_type_bits"], parameters["map_type"]
        self.shield_bits_ally = int(parameters["a_race"] == "P")
        self.shield_bits_enemy = int(parameters["b_race"] == "P")
        self.n_actions = 6 + self.n_enemies
        self.continuing_episode = continuing_episode
        self.replay_dir, self.replay_prefix = replay_dir, replay_prefix
        self._seed = seed
        self._episode_count = self._episode_steps = 0
        self.battles_won = self.battles_game = self.timeouts = self.force_restarts = 0
        self.agents, self.enemies = {}, {}
        self.stalker_id = self.zealot_id = self.zergling_id = self.baneling_id = 0
        self._sc2_proc = None

    def _launch(self):
        if not flags.FLAGS.is_parsed():
            raise RuntimeError("Trying to access flag --sc2_run_config before flags were parsed.")
        folder = Path(os.environ["SC2PATH"])
        (found,) = (kind for kind in smac_maps.SMACMap.__subclasses__() if kind.__name__ == self.map_name)
        self._map = json.loads((folder / "Maps" / found.directory / f"{found.filename}.SC2Map").read_text())
        self._random = np.random.default_rng(self._seed)
        print(f"difficulty {self.difficulty}, step_mul {self.step_mul}", flush=True)
        self._sc2_proc = subprocess.Popen([next(folder.glob("Versions/Base*/SC2_x64"))])
        if Path(os.environ["STANDIN_FAULTS"], "no_launch").exists():
            self._sc2_proc.kill()
            raise ConnectionError("the game could not be reached")

    def full_restart(self):
        self.close()
        self._launch()
        self.force_restarts += 1

    def reset(self):
        self._episode_steps = 0
        if self._episode_count == 0:
            self._launch()
        self.last_action = np.zeros((self.n_agents, self.n_actions))
        if asked_for("lose_in_reset"):
            self.full_restart()
        else:
            self.init_units()
        return self.get_obs(), self.get_state()

    def init_units(self):
        self.agents = {i: self._unit(kind, 9, 2000) for i, kind in enumerate(self._map["allies"])}
        # The game lists the enemies in an order of its own.
        self.enemies = {i: self._unit(kind, 14, None) for i, kind in enumerate(reversed(self._map["enemies"]))}
        if self._episode_count == 0:
            self._init_ally_unit_types(2000)

    def _unit(self, kind, x, first_id):
        position = SimpleNamespace(x=x + 2 * self._random.random(), y=14 + 4 * self._random.random())
        return SimpleNamespace(
            unit_type=kind if first_id is None else first_id + self._map["ally_types"].index(kind),
            pos=position,
            health=HEALTH[kind],
            health_max=HEALTH[kind],
            shield=SHIELD.get(kind, 0),
            energy=0.0,
            weapon_cooldown=float(self._random.integers(15)),
        )

    def step(self, actions):
        if asked_for("hang"):
            time.sleep(1000)
        if asked_for("crash"):
            print("the worker is about to die", flush=True)
            os._exit(3)
        for agent, action in enumerate(actions):
            assert self.get_avail_agent_actions(agent)[action], f"Agent {agent} cannot perform action {action}"
        self.last_action = np.eye(self.n_actions)[np.array(actions)]
        if asked_for("lose") or self._sc2_proc.poll() is not None:
            self.full_restart()
            return 0, True, {}
        self._episode_steps += 1
        before = sum(enemy.health for enemy in self.enemies.values())
        for agent, action in enumerate(actions):
            if 2 <= action <= 5:
                dx, dy = ((0, 1), (0, -1), (1, 0), (-1, 0))[action - 2]
                self.agents[agent].pos.x += dx
                self.agents[agent].pos.y += dy
            elif action >= 6:
                self.enemies[action - 6].health = max(0, self.enemies[action - 6].health - 20)
        alive = [agent for agent in self.agents.values() if agent.health > 0]
        for enemy in self.enemies.values():
            if enemy.health > 0 and alive:
                struck = alive[self._random.integers(len(alive))]
                struck.health = max(0, struck.health - int(self._random.integers(12)))
        reward = before - sum(enemy.health for enemy in self.enemies.values())
        sides = (self.agents, self.enemies)
        allies_left, enemies_left = (any(unit.health > 0 for unit in side.values()) for side in sides)
        info = {"battle_won": allies_left and not enemies_left, "dead_allies": 0, "dead_enemies": 0}
        terminated = not (allies_left and enemies_left)
        self.battles_won += info["battle_won"]
        if not terminated and self._episode_steps >= self.episode_limit:
            terminated = True
            self.timeouts += 1
            if self.continuing_episode:
                info["episode_limit"] = True
        if terminated:
            self._episode_count += 1
            self.battles_game += 1
        return reward / 10, terminated, info

    def get_avail_agent_actions(self, agent):
        unit, available = self.agents[agent], [0] * self.n_actions
        if unit.health <= 0:
            return [1, *available[1:]]
        available[1] = 1
        for action, (dx, dy) in enumerate(((0, 1), (0, -1), (1, 0), (-1, 0)), start=2):
            available[action] = int(2 < unit.pos.x + dx < 30 and 8 < unit.pos.y + dy < 24)
        for slot, enemy in self.enemies.items():
            near = np.hypot(enemy.pos.x - unit.pos.x, enemy.pos.y - unit.pos.y) <= 6
            available[6 + slot] = int(enemy.health > 0 and near)
        return available

    def get_avail_actions(self):
        return [self.get_avail_agent_actions(agent) for agent in range(self.n_agents)]

    def _init_ally_unit_types(self, min_unit_type):
        self._min_unit_type = min_unit_type
        if self.map_type == "stalkers_and_zealots":
            self.stalker_id, self.zealot_id = min_unit_type, min_unit_type + 1
        elif self.map_type == "bane":
            self.baneling_id, self.zergling_id = min_unit_type, min_unit_type + 1

    def get_unit_type_id(self, unit, ally):
        if ally:
            return unit.unit_type - self._min_unit_type
        if self.map_type == "stalkers_and_zealots":
            type_id = unit.unit_type - 73
        elif self.map_type == "bane":
            type_id = 0 if unit.unit_type == 9 else 1
        elif self.map_type == "MMM":
            type_id = {51: 0, 48: 1}.get(unit.unit_type, 2)
        return type_id  # unbound for any other map type, as in SMAC

    def unit_max_shield(self, unit):
        if unit.unit_type in (74, self.stalker_id):
            return 80
        if unit.unit_type in (73, self.zealot_id):
            return 50
        return None

    def _features(self, unit, ally):
        """Health, shield where the side has one, type bits; zero for the dead."""
        shields = self.shield_bits_ally if ally else self.shield_bits_enemy
        bits = np.zeros(self.unit_type_bits)
        if unit.health > 0 and self.unit_type_bits:
            bits[self.get_unit_type_id(unit, ally)] = 1
        shield = [unit.shield / self.unit_max_shield(unit)] if shields else []
        return np.array([unit.health / unit.health_max, *shield, *bits]) * (unit.health > 0)

    def get_obs_agent(self, agent):
        unit, available = self.agents[agent], self.get_avail_agent_actions(agent)
        others = [(other, False) for other in self.enemies.values()]
        others += [(other, True) for slot, other in self.agents.items() if slot != agent]
        blocks = [np.array(available[2:6], np.float32)]
        for other, ally in others:
            dx, dy = other.pos.x - unit.pos.x, other.pos.y - unit.pos.y
            seen = np.hypot(dx, dy) < 9 and other.health > 0 and unit.health > 0
            blocks.append(np.array([1, np.hypot(dx, dy) / 9, dx / 9, dy / 9, *self._features(other, ally)]) * seen)
        return np.concatenate([*blocks, self._features(unit, True)]).astype(np.float32)

    def get_obs(self):
        return [self.get_obs_agent(agent) for agent in range(self.n_agents)]

    def get_state(self):
        blocks = []
        for side, ally in ((self.agents, True), (self.enemies, False)):
            for unit in side.values():
                vitals = self._features(unit, ally)
                place = np.array([unit.pos.x - 16, unit.pos.y - 16]) / 32 * (unit.health > 0)
                cooldown = [unit.weapon_cooldown / 15] if ally else []
                blocks.append(np.array([vitals[0], *cooldown, *place, *vitals[1:]]))
        return np.concatenate([*blocks, self.last_action.flatten()]).astype(np.float32)

    def get_env_info(self):
        bits, own = self.unit_type_bits, 1 + self.shield_bits_ally + self.unit_type_bits
        enemy = 5 + self.shield_bits_enemy + bits
        state = self.n_agents * (3 + own) + self.n_enemies * (enemy - 2) + self.n_agents * self.n_actions
        return {
            "state_shape": state,
            "obs_shape": 4 + self.n_enemies * enemy + (self.n_agents - 1) * (4 + own) + own,
            "n_actions": self.n_actions,
            "n_agents": self.n_agents,
            "episode_limit": self.episode_limit,
        }

    def get_stats(self):
        return {
            "battles_won": self.battles_won,
            "battles_game": self.battles_game,
            "battles_draw": self.timeouts,
            "win_rate": self.battles_won / self.battles_game,
            "timeouts": self.timeouts,
            "restarts": self.force_restarts,
        }

    def save_replay(self):
        prefix = self.replay_prefix or self.map_name
        Path(self.replay_dir, f"{prefix}_now.SC2Replay").write_text(f"{self._episode_count} battles", encoding="utf-8")

    def close(self):
        if self._sc2_proc:
            self._sc2_proc.kill()
            self._sc2_proc.wait()
