"""Hyper-parameters of MAVEN (Mahajan et al., 2019).

MAVEN's authors left two sets of values (AnujMahajanOxf/MAVEN, revision be975c5). The names of the runs behind their
paper's plots state the number of values of z, the policy over z, the recurrent discriminator, and the weights of the
information loss and of the policy's entropy. These values are the defaults; all others come from the released
configurations. The released configuration for SMAC, noisemix_smac.yaml, is the variant `maven_release`.
"""

from dataclasses import dataclass
from typing import Final, Literal

from roma.learners.qmix.config import MixingConfig
from roma.support.schemas.settings import AT_LEAST_ONE, POSITIVE, setting

PLOTTED: Final = "recorded by MAVEN's authors with their plots"
RELEASED: Final = "MAVEN's released code"
SMAC: Final = f"{RELEASED}, noisemix_smac.yaml"
EPISODE: Final = f"{RELEASED}, noisemix_episode.yaml"


@dataclass(frozen=True, slots=True)
class Config(MixingConfig):
    """Settings of MAVEN."""

    noise_dim: int = setting(16, "values of z, the latent that a team keeps for a whole episode", PLOTTED, AT_LEAST_ONE)
    latent_policy: Literal["learnt", "uniform"] = setting(
        "learnt", "z is drawn by a policy given the initial state, or uniformly", PLOTTED
    )
    mi_weight: float = setting(0.01, "weight of the mutual-information loss between z and the episode", PLOTTED)
    discriminator: Literal["recurrent", "step"] = setting(
        "recurrent", "the discriminator predicts z from a whole episode, or from each step", PLOTTED
    )
    discriminator_recurrent: int = setting(32, "units of the recurrent discriminator's GRU", SMAC, AT_LEAST_ONE)
    discriminator_hidden: int = setting(32, "units of each of the discriminator's hidden layers", EPISODE, AT_LEAST_ONE)
    discriminator_layers: int = setting(1, "hidden layers of the discriminator", EPISODE)
    latent_hidden: int = setting(128, "units of the policy over z", RELEASED, AT_LEAST_ONE)
    latent_learning_rate: float = setting(5e-4, "step size of the Adam of the policy over z", RELEASED, POSITIVE)
    latent_entropy: float = setting(0.01, "weight of the entropy of the policy over z", PLOTTED)
    latent_memory: int = setting(512, "latest episodes, from which the policy over z learns", RELEASED, AT_LEAST_ONE)
    latent_batch: int = setting(
        64, "episodes in a minibatch of the policy over z, drawn with replacement", RELEASED, AT_LEAST_ONE
    )
    latent_updates: int = setting(8, "minibatches of the policy over z after each round", RELEASED)


# noisemix_smac.yaml. It also plays 8 parallel episodes, like the protocol `paper`, and anneals ε over 50 000 steps.
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
    "maven": "QMIX with a latent variable per team and episode (Mahajan et al. 2019)",
    "maven_release": "MAVEN with the settings that its authors released for SMAC",
}
VARIANT_SOURCES = {"maven_release": SMAC}
TUNING_TRIALS = 0
