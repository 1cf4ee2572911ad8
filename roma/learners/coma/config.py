"""Hyper-parameters of COMA (Foerster et al., 2018) as PyMARL sets them for SMAC, in either of its eras."""

from dataclasses import dataclass
from typing import ClassVar

from roma.learners.base.config import SOURCES, BaseConfig


@dataclass(frozen=True, slots=True)
class Config(BaseConfig):
    POSITIVE: ClassVar[tuple[str, ...]] = (
        *BaseConfig.POSITIVE,
        *("critic_learning_rate", "critic_hidden", "target_update_steps"),
    )
    SHARES: ClassVar[tuple[str, ...]] = (*BaseConfig.SHARES, "td_lambda")

    epsilon_start: float = 0.5  # share of the uniform distribution in the policy, at the first environment step
    epsilon_finish: float = 0.01  # the same once annealed
    epsilon_anneal_steps: int = 100_000
    critic_learning_rate: float = 5e-4  # of the critic's own RMSprop
    critic_hidden: int = 128  # units of each of the critic's two hidden layers
    td_lambda: float = 0.8  # of the critic's targets; 0: one-step, 1: to the episode's end
    target_update_steps: int = 200  # critic steps between copies into the target critic
    state_last_actions: bool = False  # whether the critic's state keeps its last A*U columns, the last actions in SMAC


# On-policy: a round of eight battles is a batch, and the replay holds no other.
PROTOCOL_SETTINGS: dict[str, object] = {"parallel_envs": 8, "batch_size": 8, "buffer_size": 8}
VARIANTS: dict[str, dict[str, object]] = {"coma": {}}
DESCRIPTIONS = {"coma": "Counterfactual multi-agent policy gradients (Foerster et al. 2018)"}
SOURCES = SOURCES | dict.fromkeys(
    (
        *("epsilon_start", "epsilon_finish", "epsilon_anneal_steps", "critic_learning_rate", "critic_hidden"),
        *("td_lambda", "target_update_steps", "state_last_actions", *PROTOCOL_SETTINGS),
    ),
    "PyMARL's configuration for SMAC",
)
TUNING_TRIALS = 0
