"""Hyper-parameters of QTRAN-base (Son et al., 2019), with PyMARL's values."""

from dataclasses import dataclass

from roma.learners.base.config import PYMARL, ValueConfig
from roma.support.schemas.settings import AT_LEAST_ONE, setting


@dataclass(frozen=True, slots=True)
class Config(ValueConfig):
    """Settings of QTRAN-base."""

    mixer_embed_dim: int = setting(64, "width of the layers of Q_jt and V", PYMARL, AT_LEAST_ONE)
    optimum_weight: float = setting(
        1.0, "weight of L_opt: the utilities' sum equals Q_jt - V at the greedy joint action", PYMARL
    )
    bound_weight: float = setting(
        0.1, "weight of L_nopt: the utilities' sum is at least Q_jt - V at the joint action taken", PYMARL
    )


VARIANTS: dict[str, dict[str, object]] = {"qtran": {}}
DESCRIPTIONS = {"qtran": "Factorisation without monotonicity, base variant (Son et al. 2019)"}
TUNING_TRIALS = 0
