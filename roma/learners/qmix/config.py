"""Hyper-parameters of QMIX (Rashid et al., 2018), VDN and IQL, and of all learners that mix utilities into Q_tot."""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from roma.learners.base.config import PAPER, RELEASE, ValueConfig
from roma.support.schemas.settings import AT_LEAST_ONE, same_setting, setting

QMIX: Final = "Rashid et al. 2018"


@dataclass(frozen=True, slots=True)
class MixingConfig(ValueConfig):
    """Settings of all learners that mix utilities into Q_tot."""

    mixer: Literal["qmix", "vdn", "none"] = setting(
        "qmix", "Q_tot is computed by a monotonic network or as a sum; none: each utility is trained separately", QMIX
    )
    mixer_embed_dim: int = setting(32, "width of the mixing network", PAPER, AT_LEAST_ONE)
    hypernet_hidden: int = setting(0, "hidden units between state and mixing weights; 0: linear, as released", RELEASE)
    mixer_activation: Literal["elu", "relu"] = setting(
        "elu", "activation in the mixing network: ELU in QMIX's paper and code, ReLU in ROMA's appendix B.1", QMIX
    )


@dataclass(frozen=True, slots=True)
class Config(MixingConfig):
    """Settings of QMIX."""

    shared_parameters: bool = setting(
        True, "all agents share one network; false: each has its own (paper, appendix B.2)", QMIX
    )
    further_layers: tuple[int, ...] = setting(
        (), "widths of further ReLU layers between GRU and utilities (paper, appendix B.2)", QMIX, AT_LEAST_ONE
    )


@dataclass(frozen=True, slots=True)
class SumConfig(ValueConfig):
    """Settings of VDN. Its mixer has no settings."""

    mixer: ClassVar[str] = "vdn"
    shared_parameters: bool = same_setting(Config, "shared_parameters")
    further_layers: tuple[int, ...] = same_setting(Config, "further_layers")


@dataclass(frozen=True, slots=True)
class IndependentConfig(SumConfig):
    """Settings of IQL. It has no mixer."""

    mixer: ClassVar[str] = "none"


CONFIGS = {"vdn": SumConfig, "iql": IndependentConfig}
VARIANTS: dict[str, dict[str, object]] = {
    "qmix": {},
    "vdn": {},
    "iql": {},
    "qmix_nps": {"shared_parameters": False},
    "qmix_lar": {"further_layers": (80, 25)},  # about as many parameters as ROMA's acting networks
}
DESCRIPTIONS = {
    "qmix": "Monotonic value factorisation (Rashid et al. 2018)",
    "vdn": "Sum of utilities (Sunehag et al. 2018)",
    "iql": "Independent Q-learning (Tan 1993)",
    "qmix_nps": "QMIX without parameter sharing between agents",
    "qmix_lar": "QMIX with two more layers in the agent network",
}
VARIANT_SOURCES = {"qmix_nps": PAPER, "qmix_lar": PAPER}
TUNING_TRIALS = 0
