"""How much is played, tested and learnt: the two protocols under which SMAC results were published.

They differ eightfold in updates per environment step, so that curves of one must not be compared with the other's.
`paper` is ROMA's own: the early SMAC regime of PyMARL's parallel runner. `smac_v1` is that of the SMAC benchmark.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Protocol:
    """A round is `parallel_envs` battles begun together; one update follows each round once `batch_size` are stored."""

    parallel_envs: int  # battles played side by side in a round of training
    batch_size: int  # episodes in an update
    buffer_size: int  # episodes the replay holds; the oldest goes first
    test_interval: int  # environment steps between greedy tests
    test_episodes: int  # greedy battles in a test
    parallel_test_envs: int  # how many of them are played side by side; no influence on which battles they are


@dataclass(frozen=True, slots=True)
class Preset:
    """A protocol by name, with what it asks of the algorithms and how long its runs last."""

    protocol: Protocol
    hyperparameters: Mapping[str, object]  # hyper-parameters that come with the protocol, for algorithms that have them
    total_steps: int  # environment steps of a run, where none are asked for
    source: str  # where its values come from


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        # Wang et al. 2020, section 5 and the authors' release: 8 battles, 24 test episodes every 20 000 steps.
        "paper": Preset(
            Protocol(
                parallel_envs=8,
                batch_size=32,
                buffer_size=5000,
                test_interval=20_000,
                test_episodes=24,
                parallel_test_envs=8,
            ),
            hyperparameters=MappingProxyType({}),
            total_steps=20_050_000,
            source="the authors' release of ROMA",
        ),
        # Samvelyan et al. 2019 and PyMARL's present defaults: 1 battle, 32 test episodes every 10 000 steps.
        "smac_v1": Preset(
            Protocol(
                parallel_envs=1,
                batch_size=32,
                buffer_size=5000,
                test_interval=10_000,
                test_episodes=32,
                parallel_test_envs=32,
            ),
            hyperparameters=MappingProxyType({"hypernet_hidden": 64}),
            total_steps=2_000_000,
            source="PyMARL's configuration for SMAC",
        ),
    }
)
