"""SMAC's environment class on the embedded engine: a drop-in for `smac.env.StarCraft2Env`.

    from roma.envs.smac import StarCraft2Env              # instead of: from smac.env import StarCraft2Env
    from roma.envs.smac import get_map_params, smac_maps  # instead of: from smac.env.starcraft2.maps import ...

Names, order and defaults of the arguments, return types, info keys, methods and attributes are SMAC's
(github.com/oxwhirl/smac). An argument acts where the engine has what it asks for; where it has not, any value that
would change results in SMAC is refused, and what never touches results there (window size, debug) is accepted. So is
any `game_version`, with a warning: there is no game here. These things are deliberately unlike SMAC:

- `get_obs_size` counts the spare feature that SMAC's own vectors carry under `obs_timestep_number`, so that sizes
  always fit; terrain height reads 0, the maps are flat; `win_rate` is 0 before the first battle.
- What SMAC learns from the game at the first reset (`max_reward`, `marine_id`, the grids) is known at once.
- Option values can be read as attributes but not changed: an assignment is an AttributeError.
- `seed` decides an environment as a whole. The seed of each battle follows from it, from the battle's number and from
  all actions so far. So a repetition is identical, and workers that share one seed play one first battle and different
  ones from then on. Give each worker a seed of its own (`seed + rank`) to have different first battles too.
- An action that is not available is a ValueError, not an AssertionError.
- A replay is a file of this project, which `roma play --recording` draws; `render("human")` draws text in the terminal.
"""

from roma.envs.smac import smac_maps
from roma.envs.smac.battlefield import Direction, MultiAgentEnv
from roma.envs.smac.environment import StarCraft2Env
from roma.envs.smac.smac_maps import get_map_params

__all__ = ["Direction", "MultiAgentEnv", "StarCraft2Env", "get_map_params", "smac_maps"]
