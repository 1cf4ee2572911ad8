"""Hyper-parameters of MAVEN (Mahajan et al., 2019).

Its authors left two settings (AnujMahajanOxf/MAVEN, revision be975c5). The names of the runs behind their paper's
plots record the number of values of z, the policy over z, the recurrent discriminator, and the weights of the
information loss and of the policy's entropy. These are the defaults, completed by the released configurations where the
names are silent. The released configuration for SMAC itself, noisemix_smac.yaml, is the variant `maven_release`.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from roma.learners.qmix.config import MIXING_SOURCES, MixingConfig


@dataclass(frozen=True, slots=True)
class Config(MixingConfig):
    POSITIVE: ClassVar[tuple[str, ...]] = (
        *MixingConfig.POSITIVE,
        *("noise_dim", "discriminator_recurrent", "discriminator_hidden"),
        *("latent_hidden", "latent_learning_rate", "latent_memory", "latent_batch"),
    )

    noise_dim: int = 16  # values of z, the latent that a team keeps for a whole episode
    latent_policy: Literal["learnt", "uniform"] = "learnt"  # z from a policy over the initial state, or any alike
    mi_weight: float = 0.01  # of the mutual-information loss: how well z can be told from what the team does
    discriminator: Literal["recurrent", "step"] = "recurrent"  # z is told from a whole episode, or from each step
    discriminator_recurrent: int = 32  # units of the recurrent discriminator's GRU
    discriminator_hidden: int = 32  # units of the discriminator's hidden layers
    discriminator_layers: int = 1  # how many of them
    latent_hidden: int = 128  # units of the policy over z
    latent_learning_rate: float = 5e-4  # of its Adam
    latent_entropy: float = 0.01  # weight of its entropy term
    latent_memory: int = 512  # episodes it learns from, the last ones
    latent_batch: int = 64  # episodes in one of its minibatches, drawn with replacement
    latent_updates: int = 8  # minibatches after each round


# noisemix_smac.yaml, which also plays 8 battles at once, as the protocol `paper` does, and anneals ε over 50 000 steps.
RELEASE: dict[str, object] = {
    "noise_dim": 2,
    "latent_policy": "uniform",
    "mi_weight": 1.0,
    "discriminator": "step",
    "discriminator_hidden": 64,
    "discriminator_layers": 3,
}

VARIANTS: dict[str, dict[str, object]] = {"maven": {}, "maven_release": RELEASE}
DESCRIPTIONS = {
    "maven": "QMIX with a latent of the team's own (Mahajan et al. 2019)",
    "maven_release": "The same with the settings that its authors released for SMAC",
}
SOURCES = (
    MIXING_SOURCES
    | dict.fromkeys(
        ("noise_dim", "latent_policy", "mi_weight", "latent_entropy", "discriminator"),
        "recorded by MAVEN's authors with their plots",
    )
    | {"discriminator_recurrent": "MAVEN's released code, noisemix_smac.yaml"}
    | dict.fromkeys(("discriminator_hidden", "discriminator_layers"), "MAVEN's released code, noisemix_episode.yaml")
    | dict.fromkeys(
        ("latent_hidden", "latent_learning_rate", "latent_memory", "latent_batch", "latent_updates"),
        "MAVEN's released code",
    )
)
VARIANT_SOURCES = {"maven_release": "MAVEN's released code, noisemix_smac.yaml"}
TUNING_TRIALS = 0
