"""Hyper-parameters every learner has. Torch-free, so that a run can be described without starting one."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

from roma.support.errors import UserError, unknown


@dataclass(frozen=True, slots=True)
class BaseConfig:
    """Defaults follow SMAC's customary settings, which the paper shares wherever it states a value.

    Raises UserError for a value out of bounds: no number is negative, unless it is among the `SIGNED`.
    """

    POSITIVE: ClassVar[tuple[str, ...]] = (
        *("learning_rate", "optimiser_epsilon", "grad_norm_clip", "epsilon_anneal_steps", "hidden_dim"),
    )
    SHARES: ClassVar[tuple[str, ...]] = ("gamma", "optimiser_alpha", "epsilon_start", "epsilon_finish")
    SIGNED: ClassVar[tuple[str, ...]] = ()

    gamma: float = 0.99  # discount factor per environment step (paper, appendix B)
    learning_rate: float = 5e-4  # of RMSprop (paper, appendix B)
    optimiser_alpha: float = 0.99  # RMSprop's smoothing of squared gradients (paper, appendix B)
    optimiser_epsilon: float = 1e-5  # added outside the square root, as torch does and the reference learners did
    grad_norm_clip: float = 10.0  # largest gradient norm, over all parameters together
    epsilon_start: float = 1.0  # exploration at the first environment step (paper, appendix B)
    epsilon_finish: float = 0.05  # exploration once annealed (paper, appendix B)
    epsilon_anneal_steps: int = 50_000  # environment steps of the linear annealing (paper, appendix B)
    hidden_dim: int = 64  # units of the first layer and of the GRU (paper, appendix B.1)

    def __post_init__(self) -> None:
        for name, choices in literal_fields(type(self)):
            value = getattr(self, name)
            if value not in choices:
                raise unknown(f"value of {name}", value, choices)
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            numbers = value if isinstance(value, tuple) else (value,) if isinstance(value, int | float) else ()
            if name in self.POSITIVE and any(number <= 0 for number in numbers):
                raise UserError(f"{name} must be positive, not {value}")
            if name in self.SHARES and not 0 <= value <= 1:
                raise UserError(f"{name} must lie in [0, 1], not {value}")
            if name not in self.SIGNED and any(number < 0 for number in numbers):
                raise UserError(f"{name} must not be negative, not {value}")


@dataclass(frozen=True, slots=True)
class ValueConfig(BaseConfig):
    """Settings of all that learn the values of actions by one-step temporal differences."""

    POSITIVE: ClassVar[tuple[str, ...]] = (*BaseConfig.POSITIVE, "target_update_episodes")

    target_update_episodes: int = 200  # training episodes between copies into the target network
    double_q: bool = True  # the online network chooses the action that the target network values


PAPER = "paper, appendix B"
RELEASE = "the authors' release of ROMA"

# Where the values come from, for the table of settings.
SOURCES = {
    **dict.fromkeys(("gamma", "learning_rate", "optimiser_alpha", "hidden_dim"), PAPER),
    **dict.fromkeys(("epsilon_start", "epsilon_finish", "epsilon_anneal_steps"), PAPER),
    **dict.fromkeys(("optimiser_epsilon", "grad_norm_clip", "target_update_episodes", "double_q"), RELEASE),
}


def literal_fields(config_class: type[Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The fields of a config class that take one of a few names, each with those names."""
    hints = get_type_hints(config_class)
    for field in fields(config_class):
        if get_origin(hints[field.name]) is Literal:
            yield field.name, get_args(hints[field.name])
