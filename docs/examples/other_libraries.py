"""Play on the embedded engine through the interfaces that other libraries use, without StarCraft II.

    python docs/examples/other_libraries.py --map 2s3z --episodes 3

PyMARL and its forks use SMAC's environment class, which ours replaces; this script does not need PyMARL itself.
TorchRL, and BenchMARL on top of it, use PettingZoo's parallel interface. docs/coming_from.md lists the lines to change
in these and other projects.
"""

import argparse
from importlib.util import find_spec

import numpy as np

from roma.envs.pettingzoo import parallel_env
from roma.envs.smac import StarCraft2Env  # instead of: from smac.env import StarCraft2Env

INSTALL = "pip install --no-deps -r tests/peers/requirements.txt"  # keeps the installed torch


def pymarl(map_name: str, episodes: int) -> None:
    """Play random episodes by the calls that PyMARL's runner makes."""
    env = StarCraft2Env(map_name=map_name, seed=1)
    info = env.get_env_info()  # PyMARL takes the sizes of its networks from here
    print(f"PyMARL: {info['n_agents']} agents, observations of {info['obs_shape']}, state of {info['state_shape']}")
    rng = np.random.default_rng(0)
    for episode in range(episodes):
        env.reset()
        terminated, total, outcome = False, 0.0, {}
        while not terminated:
            _state, _observations, available = env.get_state(), env.get_obs(), env.get_avail_actions()
            reward, terminated, outcome = env.step([rng.choice(np.flatnonzero(mask)) for mask in available])
            total += reward
        print(f"PyMARL: episode {episode + 1}: return {total:.2f}, battle_won {outcome.get('battle_won', False)}")
    env.close()


def torchrl(map_name: str, episodes: int) -> None:
    """Collect random rollouts of one team with TorchRL."""
    if find_spec("torchrl") is None:
        print(f"TorchRL is not installed; to see this part: {INSTALL}")
        return

    from torchrl.envs import PettingZooWrapper
    from torchrl.envs.utils import MarlGroupMapType

    env = PettingZooWrapper(
        parallel_env(map_name), return_state=True, group_map=MarlGroupMapType.ALL_IN_ONE_GROUP, seed=1
    )
    for episode in range(episodes):
        rollout = env.rollout(1000)  # actions are drawn among the available ones
        total = rollout["next", "agents", "reward"].mean(1).sum().item()  # agents share the team's reward
        shape = tuple(rollout["agents", "observation", "observation"].shape)
        print(f"TorchRL: episode {episode + 1}: return {total:.2f}, observations (T, A, O) = {shape}")
    env.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map", default="2s3z", help="name of a map; default: 2s3z")
    parser.add_argument("--episodes", type=int, default=3, help="random episodes per interface; default: 3")
    options = parser.parse_args()
    pymarl(options.map, options.episodes)
    torchrl(options.map, options.episodes)
