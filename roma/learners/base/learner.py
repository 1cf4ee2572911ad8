"""What all learners share: networks and their target copy, optimiser steps, exact saving and loading."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from roma.envs.vector import EnvInfo
from roma.learners.base.acting import Actor, CompiledActor, TorchActor
from roma.learners.base.batch import Batch
from roma.learners.base.config import BaseConfig, ValueConfig
from roma.learners.base.optimisers import Optimiser, RMSprop
from roma.support.system.memory import keep_large_allocations


class Networks(nn.Module):
    """Everything that is trained. `agent` is the part that acts; the rest serves training only."""

    agent: nn.Module


ConfigType = TypeVar("ConfigType", bound=BaseConfig)
ValueConfigType = TypeVar("ValueConfigType", bound=ValueConfig)
NetworksType = TypeVar("NetworksType", bound=Networks)


class NetworkLearner(ABC, Generic[ConfigType, NetworksType]):
    """Networks, their target copy and their optimisers; how they are updated is each family's own."""

    stat_names: ClassVar[tuple[str, ...]]
    diagnostic_names: ClassVar[tuple[str, ...]] = ()  # what `diagnostics` returns
    finite_stats: ClassVar[tuple[str, ...]] = ("loss", "grad_norm")  # a run ends where one of them is not finite
    learns_from_rounds: ClassVar[bool] = False  # whether `learn_from_round` wants to see every round of training

    def __init__(self, config: ConfigType, info: EnvInfo, seed: int, device: str | torch.device) -> None:
        self.config, self.info, self.device = config, info, torch.device(device)
        keep_large_allocations()
        torch.backends.cudnn.allow_tf32 = False  # with it a GPU's recurrent networks round their factors to ten bits
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.online = self.build_networks().to(self.device)
        self.target = deepcopy(self.online).requires_grad_(False)
        self.last_target_update = 0  # the counter that schedules target copies, at the last of them

    @abstractmethod
    def build_networks(self) -> NetworksType:
        """Fresh online networks, initialised from torch's global generator."""

    @cached_property
    def optimisers(self) -> Sequence[Optimiser]:
        """The optimisers, created when first used: acting needs none of their state."""
        return self.build_optimisers()

    def build_optimisers(self) -> Sequence[Optimiser]:
        """Return fresh optimisers; no parameter belongs to two."""
        return [self.rmsprop(self.online.parameters(), self.config.learning_rate)]

    def rmsprop(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> RMSprop:
        """Return the customary optimiser."""
        return RMSprop(parameters, learning_rate, self.config.optimiser_alpha, self.config.optimiser_epsilon)

    @abstractmethod
    def update(self, batch: Batch, key: int, episode: int, epsilon: float = 0.0) -> dict[str, float]:
        """Learns from a batch, then copies into the target networks if due.

        `key` is that of the update's noise (roma.support.noise). `episode` counts training episodes before this
        round's; with `epsilon` this round's were played. Returns `stat_names`; a statistic that the configuration
        leaves uncomputed is NaN.
        """

    def learn_from_round(self, batch: Batch, key: int) -> None:
        """Learns from a round's episodes as soon as they are played, where a family does; `key` is its noise's."""

    def diagnostics(self, batch: Batch, unit_types: Sequence[Sequence[str]], key: int) -> dict[str, float]:
        """Metrics that are too costly for every update, measured once for each row of the run's metrics.

        Nothing that is learnt depends on them.

        Args:
            batch: the episodes of the last update.
            unit_types: names of the types of each episode's units, agents first.
            key: of its own noise.

        Returns:
            `diagnostic_names` with their values, of which those that do not apply are NaN.
        """
        return {}

    def named(self, statistics: Mapping[str, Tensor]) -> dict[str, float]:
        """Statistics as numbers under all `stat_names`."""
        computed = dict(zip(statistics, torch.stack(list(statistics.values())).tolist(), strict=True))
        return {name: computed.get(name, float("nan")) for name in self.stat_names}

    def gradient_step(self, optimiser: Optimiser, loss: Tensor) -> Tensor:
        """One step of an optimiser down this loss; returns the gradient's norm before it is clipped."""
        optimiser.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(optimiser.parameters, self.config.grad_norm_clip)
        optimiser.step()
        return norm

    def copy_to_target(self, counter: int, period: int) -> None:
        """Copies all networks into the target networks once `counter` is `period` beyond the last copy."""
        if counter - self.last_target_update >= period:
            copy_tensors(self.online.state_dict(), self.target.state_dict())
            self.last_target_update = counter

    def epsilon(self, t_env: int) -> float:
        """Exploration after `t_env` training environment steps: linear, then constant."""
        start, finish = self.config.epsilon_start, self.config.epsilon_finish
        annealed = min(1.0, t_env / self.config.epsilon_anneal_steps)
        return start + (finish - start) * annealed

    def actor(self) -> Actor:
        """Return an actor that follows the online weights, compiled on the CPU and by torch elsewhere."""
        return self.compiled_actor() if self.device.type == "cpu" else self.torch_actor()

    def compiled_actor(self) -> CompiledActor:
        """Return an actor that decides by compiled kernels, for learners on the CPU."""
        return CompiledActor(self.online.agent, self.info.n_agents)

    def torch_actor(self) -> TorchActor:
        """Return an actor that decides by torch."""
        return TorchActor(self.online.agent, self.info.n_agents, self.config.hidden_dim, self.device)

    def policy_tensors(self) -> dict[str, Tensor]:
        """Return the weights that are kept of a policy: those that acting needs. Shared, not copied."""
        weights: dict[str, Tensor] = self.online.agent.state_dict()
        return weights

    def load_policy_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over weights that `policy_tensors` gave."""
        copy_tensors(tensors, self.policy_tensors())

    def state_tensors(self) -> dict[str, Tensor]:
        """All that later updates depend on: weights, targets, optimiser state, counter. Shared, not copied."""
        state = {f"online.{name}": tensor for name, tensor in self.online.state_dict().items()}
        state |= {f"target.{name}": tensor for name, tensor in self.target.state_dict().items()}
        for optimiser in self.optimisers:
            for name, parameter in self.online.named_parameters():
                for quantity, value in optimiser.state.get(parameter, {}).items():
                    state[f"optimiser.{quantity}.{name}"] = value
        return state | {"last_target_update": torch.tensor(self.last_target_update)}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over a state that `state_tensors` gave; updates then continue bit for bit."""
        for prefix, networks in (("online.", self.online), ("target.", self.target)):
            weights = {k.removeprefix(prefix): value for k, value in tensors.items() if k.startswith(prefix)}
            copy_tensors(weights, networks.state_dict())
        names = {parameter: name for name, parameter in self.online.named_parameters()}
        for optimiser in self.optimisers:
            for parameter, quantities in optimiser.state.items():
                stored = {quantity: tensors[f"optimiser.{quantity}.{names[parameter]}"] for quantity in quantities}
                copy_tensors(stored, quantities)
        self.last_target_update = int(tensors["last_target_update"])


class Learner(NetworkLearner[ValueConfigType, NetworksType]):
    """Learns by gradient steps on one loss."""

    @abstractmethod
    def draw_noise(self, batch: Batch, key: int) -> Any:
        """The noise that the loss of this batch takes, under this key."""

    @abstractmethod
    def loss(self, batch: Batch, noise: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """The family's loss and statistics: a pure function of networks, batch, noise and configuration."""

    def update(self, batch: Batch, key: int, episode: int, epsilon: float = 0.0) -> dict[str, float]:
        loss, statistics = self.loss(batch, self.draw_noise(batch, key))
        statistics["grad_norm"] = self.gradient_step(self.optimisers[0], loss)
        self.copy_to_target(episode, self.config.target_update_episodes)
        return self.named(statistics | {"loss": loss.detach()})


@torch.no_grad()
def copy_tensors(source: Mapping[str, Tensor], destination: Mapping[str, Tensor]) -> None:
    """Copies values in place; raises KeyError where the names differ."""
    if source.keys() != destination.keys():
        raise KeyError(f"tensors differ: {sorted(source.keys() ^ destination.keys())}")
    for name, tensor in destination.items():
        tensor.copy_(source[name])
