"""How much is played, tested and learnt: the two protocols under which SMAC results were published.

They differ eightfold in updates per environment step, so that curves of one must not be compared with the other's.
`paper` is ROMA's own: the early SMAC regime of PyMARL's parallel runner. `smac_v1` is that of the SMAC benchmark.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from roma.learners.base.config import PYMARL, RELEASE
from roma.support.errors import UserError
from roma.support.settings import AT_LEAST_ONE, Settings, setting


@dataclass(frozen=True, slots=True)
class Protocol(Settings):
    """How much is played, tested and learnt; the defaults are those of `paper`.

    A round is `parallel_envs` episodes begun together; one update follows each round once `batch_size` are stored.
    """

    parallel_envs: int = setting(8, "episodes played side by side in a round of training", RELEASE, AT_LEAST_ONE)
    batch_size: int = setting(32, "episodes in an update", RELEASE, AT_LEAST_ONE)
    buffer_size: int = setting(5000, "episodes in the replay buffer; the oldest goes first", RELEASE, AT_LEAST_ONE)
    test_interval: int = setting(20_000, "environment steps between greedy tests", RELEASE, AT_LEAST_ONE)
    test_episodes: int = setting(24, "greedy episodes in a test", RELEASE, AT_LEAST_ONE)
    parallel_test_envs: int = setting(8, "test episodes played side by side; changes no episode", RELEASE, AT_LEAST_ONE)

    def __post_init__(self) -> None:
        Settings.__post_init__(self)
        for name in ("batch_size", "parallel_envs"):
            if getattr(self, name) > self.buffer_size:
                raise UserError(f"{name} = {getattr(self, name)} exceeds buffer_size = {self.buffer_size}")


@dataclass(frozen=True, slots=True)
class Preset:
    """A protocol by name, with what it asks of the algorithms and how long its runs last."""

    protocol: Protocol
    hyperparameters: Mapping[str, object]  # hyper-parameters that come with the protocol, for algorithms that have them
    total_steps: int  # environment steps of a run, where none are asked for
    source: str  # where its values come from


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "paper": Preset(
            Protocol(),
            hyperparameters=MappingProxyType({}),
            total_steps=20_050_000,
            source=RELEASE,
        ),
        # Samvelyan et al. 2019 and PyMARL's present defaults.
        "smac_v1": Preset(
            Protocol(parallel_envs=1, test_interval=10_000, test_episodes=32, parallel_test_envs=32),
            hyperparameters=MappingProxyType({"hypernet_hidden": 64}),
            total_steps=2_000_000,
            source=PYMARL,
        ),
    }
)
