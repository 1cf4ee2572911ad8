"""Hyper-parameters of all learners. Torch is not imported, so that describing a run is fast."""

from dataclasses import dataclass
from typing import Final

from roma.support.schemas.settings import AT_LEAST_ONE, POSITIVE, SHARE, Settings, setting

PAPER: Final = "paper, appendix B"
RELEASE: Final = "the authors' release of ROMA"
PYMARL: Final = "PyMARL's configuration for SMAC"


@dataclass(frozen=True, slots=True)
class BaseConfig(Settings):
    """Settings of all learners. The defaults are the usual ones for SMAC, and the paper's where it states a value.

    Raises:
        UserError: A value is out of bounds.
    """

    gamma: float = setting(0.99, "discount factor per environment step", PAPER, SHARE)
    learning_rate: float = setting(5e-4, "step size of RMSprop", PAPER, POSITIVE)
    optimiser_alpha: float = setting(0.99, "RMSprop's smoothing of squared gradients", PAPER, SHARE)
    optimiser_epsilon: float = setting(
        1e-5,
        "epsilon of RMSprop, added outside the square root, as torch and the references do",
        RELEASE,
        POSITIVE,
    )
    grad_norm_clip: float = setting(
        10.0, "largest norm of the gradient over all parameters, by clipping", RELEASE, POSITIVE
    )
    epsilon_start: float = setting(1.0, "exploration rate at the first environment step", PAPER, SHARE)
    epsilon_finish: float = setting(0.05, "exploration rate after annealing", PAPER, SHARE)
    epsilon_anneal_steps: int = setting(50_000, "environment steps of the linear annealing", PAPER, AT_LEAST_ONE)
    hidden_dim: int = setting(64, "units of the first layer and of the GRU", PAPER, AT_LEAST_ONE)


@dataclass(frozen=True, slots=True)
class ValueConfig(BaseConfig):
    """Settings of learners that learn action values by one-step temporal differences."""

    target_update_episodes: int = setting(
        200, "training episodes between copies into the target network", RELEASE, AT_LEAST_ONE
    )
    double_q: bool = setting(True, "the online network chooses the action that the target network evaluates", RELEASE)
