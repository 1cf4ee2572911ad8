"""Hyper-parameters of QMIX (Rashid et al., 2018) and of every learner that mixes utilities into Q_tot."""

from dataclasses import dataclass
from typing import Literal

from roma.learners.base_config import BaseConfig


@dataclass(frozen=True, slots=True)
class Config(BaseConfig):
    mixer: Literal["qmix", "vdn"] = "qmix"  # how utilities become Q_tot: monotonic mixing network, or their sum
    mixer_embed_dim: int = 32  # width of the mixing network (paper, appendix B.1)
    hypernet_hidden: int = 0  # units between state and mixing weights; 0: linear, as in the authors' release
    mixer_activation: Literal["elu", "relu"] = "elu"  # QMIX's paper and code say ELU, ROMA's appendix B.1 ReLU


VARIANTS: dict[str, dict[str, object]] = {"qmix": {}}
