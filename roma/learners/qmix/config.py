"""Hyper-parameters of QMIX (Rashid et al., 2018), its kin, and every learner that mixes utilities into Q_tot."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from roma.learners.base.config import PAPER, RELEASE, SOURCES, ValueConfig


@dataclass(frozen=True, slots=True)
class MixingConfig(ValueConfig):
    POSITIVE: ClassVar[tuple[str, ...]] = (*ValueConfig.POSITIVE, "mixer_embed_dim")

    mixer: Literal["qmix", "vdn", "none"] = "qmix"  # Q_tot by a monotonic network or as a sum; none: each its own value
    mixer_embed_dim: int = 32  # width of the mixing network (paper, appendix B.1)
    hypernet_hidden: int = 0  # units between state and mixing weights; 0: linear, as in the authors' release
    mixer_activation: Literal["elu", "relu"] = "elu"  # QMIX's paper and code say ELU, ROMA's appendix B.1 ReLU


QMIX = "Rashid et al. 2018"
MIXING_SOURCES = SOURCES | {
    "mixer": QMIX,
    "mixer_embed_dim": PAPER,
    "hypernet_hidden": RELEASE,
    "mixer_activation": QMIX,
}
SOURCES = MIXING_SOURCES | {"shared_parameters": QMIX, "further_layers": QMIX}


@dataclass(frozen=True, slots=True)
class Config(MixingConfig):
    POSITIVE: ClassVar[tuple[str, ...]] = (*MixingConfig.POSITIVE, "further_layers")

    shared_parameters: bool = True  # one agent network for all agents; False: each has its own (paper, appendix B.2)
    further_layers: tuple[int, ...] = ()  # units of layers with ReLU between GRU and utilities (paper, appendix B.2)


@dataclass(frozen=True, slots=True)
class SumConfig(ValueConfig):
    """VDN, whose mixer has no settings."""

    POSITIVE: ClassVar[tuple[str, ...]] = (*ValueConfig.POSITIVE, "further_layers")

    mixer: ClassVar[str] = "vdn"
    shared_parameters: bool = True  # as in QMIX
    further_layers: tuple[int, ...] = ()  # as in QMIX


@dataclass(frozen=True, slots=True)
class IndependentConfig(SumConfig):
    """IQL, which has no mixer."""

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
    "qmix_nps": "QMIX, each agent with a network of its own",
    "qmix_lar": "QMIX with two further layers in the agent",
}
VARIANT_SOURCES = {"vdn": "Sunehag et al. 2018", "iql": "Tan 1993", "qmix_nps": PAPER, "qmix_lar": PAPER}
TUNING_TRIALS = 0
