"""The two protocols of published SMAC results: numbers of episodes, updates and tests.

`paper` is ROMA's protocol: the early SMAC regime of PyMARL's parallel runner. `smac_v1` is the protocol of the SMAC
benchmark. They differ eightfold in updates per environment step, so their curves are not comparable.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from roma.learners.base.config import PYMARL, RELEASE
from roma.support.errors import UserError
from roma.support.schemas.settings import AT_LEAST_ONE, Settings, setting


@dataclass(frozen=True, slots=True)
class Protocol(Settings):
    """Numbers of episodes, updates and tests; the defaults are those of `paper`.

    A round consists of `parallel_envs` episodes that begin together. One update follows each round once the replay
    buffer holds `batch_size` episodes.
    """

    parallel_envs: int = setting(8, "training episodes played in parallel in each round", RELEASE, AT_LEAST_ONE)
    batch_size: int = setting(32, "episodes in an update", RELEASE, AT_LEAST_ONE)
    buffer_size: int = setting(5000, "episodes in the replay buffer; the oldest goes first", RELEASE, AT_LEAST_ONE)
    test_interval: int = setting(20_000, "environment steps between greedy tests", RELEASE, AT_LEAST_ONE)
    test_episodes: int = setting(24, "greedy episodes in a test", RELEASE, AT_LEAST_ONE)
    parallel_test_envs: int = setting(8, "test episodes played in parallel; changes no result", RELEASE, AT_LEAST_ONE)

    def __post_init__(self) -> None:
        Settings.__post_init__(self)
        for name in ("batch_size", "parallel_envs"):
            if getattr(self, name) > self.buffer_size:
                raise UserError(f"{name} = {getattr(self, name)} exceeds buffer_size = {self.buffer_size}")


@dataclass(frozen=True, slots=True)
class Preset:
    """Preset of a protocol: its settings, the hyper-parameters that it changes, and the default length of runs."""

    protocol: Protocol
    hyperparameters: Mapping[str, object]  # values for the algorithms that have these hyper-parameters
    total_steps: int  # default environment steps of a run
    source: str  # origin of the values


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "paper": Preset(
            Protocol(),
            hyperparameters=MappingProxyType({}),
            total_steps=20_050_000,
            source=RELEASE,
        ),
        # Samvelyan et al. 2019 and PyMARL's current defaults.
        "smac_v1": Preset(
            Protocol(parallel_envs=1, test_interval=10_000, test_episodes=32, parallel_test_envs=32),
            hyperparameters=MappingProxyType({"hypernet_hidden": 64}),
            total_steps=2_000_000,
            source=PYMARL,
        ),
    }
)
