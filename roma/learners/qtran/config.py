"""Hyper-parameters of QTRAN-base (Son et al., 2019) as PyMARL sets them."""

from dataclasses import dataclass
from typing import ClassVar

from roma.learners.base.config import SOURCES, ValueConfig


@dataclass(frozen=True, slots=True)
class Config(ValueConfig):
    POSITIVE: ClassVar[tuple[str, ...]] = (*ValueConfig.POSITIVE, "mixer_embed_dim")

    mixer_embed_dim: int = 64  # width of the layers of Q_jt and V
    optimum_weight: float = 1.0  # of L_opt: the utilities' sum equals Q_jt - V at the greedy joint action
    bound_weight: float = 0.1  # of L_nopt: the utilities' sum is at least Q_jt - V at the joint action taken


VARIANTS: dict[str, dict[str, object]] = {"qtran": {}}
DESCRIPTIONS = {"qtran": "Factorisation without monotonicity, base variant (Son et al. 2019)"}
SOURCES = SOURCES | dict.fromkeys(
    ("mixer_embed_dim", "optimum_weight", "bound_weight"), "PyMARL's configuration for SMAC"
)
TUNING_TRIALS = 0
