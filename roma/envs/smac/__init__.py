"""SMAC's environment class on the embedded engine: a drop-in for `smac.env.StarCraft2Env`.

    from roma.envs.smac import StarCraft2Env              # instead of: from smac.env import StarCraft2Env
    from roma.envs.smac import get_map_params, smac_maps  # instead of: from smac.env.starcraft2.maps import ...

Names, order and defaults of the arguments, return types, info keys, methods and attributes are SMAC's
(github.com/oxwhirl/smac). An argument that the engine supports has SMAC's effect. For an unsupported argument, any
value that would change results in SMAC is refused; arguments that never affect results there (window size, debug) are
accepted. Any `game_version` is accepted with a warning. The class deliberately differs from SMAC in these points:

- `get_obs_size` counts the spare feature that SMAC's own observations contain under `obs_timestep_number`, so that
  sizes always agree. Terrain height is 0, because the maps are flat. `win_rate` is 0 before the first episode.
- Attributes that SMAC learns from the game at the first reset (`max_reward`, `marine_id`, the grids) are set from the
  beginning.
- Options can be read as attributes but not changed: an assignment raises AttributeError.
- `seed` decides the whole sequence of episodes. Each episode's seed follows from it, from the episode's number and from
  all actions so far. The same seed and actions repeat the sequence. Workers with the same seed share their first
  episode only; give each worker its own seed (`seed + rank`) if their first episodes must differ, too.
- An unavailable action raises ValueError, not AssertionError.
- `save_replay` writes a recording of this project, which `roma play --recording` draws. `render("human")` draws text in
  the terminal.
"""

from roma.envs.smac import smac_maps
from roma.envs.smac.battlefield import Direction, MultiAgentEnv
from roma.envs.smac.environment import StarCraft2Env
from roma.envs.smac.smac_maps import get_map_params

__all__ = ["Direction", "MultiAgentEnv", "StarCraft2Env", "get_map_params", "smac_maps"]
