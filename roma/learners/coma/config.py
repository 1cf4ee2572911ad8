"""Hyper-parameters of COMA (Foerster et al., 2018), with PyMARL's values for SMAC."""

from dataclasses import dataclass

from roma.learners.base.config import PYMARL, BaseConfig
from roma.support.schemas.settings import AT_LEAST_ONE, POSITIVE, SHARE, setting


@dataclass(frozen=True, slots=True)
class Config(BaseConfig):
    """Settings of COMA."""

    epsilon_start: float = setting(
        0.5, "share of the uniform distribution in the policy, at the first environment step", PYMARL, SHARE
    )
    epsilon_finish: float = setting(
        0.01, "share of the uniform distribution in the policy after annealing", PYMARL, SHARE
    )
    epsilon_anneal_steps: int = setting(100_000, "environment steps of the linear annealing", PYMARL, AT_LEAST_ONE)
    critic_learning_rate: float = setting(5e-4, "step size of the critic's own RMSprop", PYMARL, POSITIVE)
    critic_hidden: int = setting(128, "units of each of the critic's two hidden layers", PYMARL, AT_LEAST_ONE)
    td_lambda: float = setting(0.8, "lambda of the critic's targets; 0: one step, 1: whole episode", PYMARL, SHARE)
    target_update_steps: int = setting(200, "critic steps between copies into the target critic", PYMARL, AT_LEAST_ONE)
    state_last_actions: bool = setting(
        False, "the critic reads the state's last A*U columns, which are the last actions in SMAC", PYMARL
    )


# COMA is on-policy: each round of eight episodes is one batch, and the replay buffer keeps no other episode.
PROTOCOL_SETTINGS: dict[str, object] = {"parallel_envs": 8, "batch_size": 8, "buffer_size": 8}
VARIANTS: dict[str, dict[str, object]] = {"coma": {}}
DESCRIPTIONS = {"coma": "Counterfactual multi-agent policy gradients (Foerster et al. 2018)"}
VARIANT_SOURCES = {"coma": PYMARL}
TUNING_TRIALS = 0
