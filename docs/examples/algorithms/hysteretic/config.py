"""Settings of hysteretic QMIX, and the names of its variants."""

from dataclasses import dataclass

from roma.learners.qmix import config as qmix
from roma.support.schemas.settings import SHARE, setting


@dataclass(frozen=True, slots=True)
class Config(qmix.Config):
    """QMIX's settings, and the weight of negative errors."""

    patience: float = setting(0.5, "weight of squared errors where Q_tot is above its target; 1: QMIX", "ours", SHARE)


VARIANTS: dict[str, dict[str, object]] = {"hysteretic": {}}
DESCRIPTIONS = {"hysteretic": "QMIX with smaller weights on negative errors"}
