"""Base classes of learners: networks and their target copy, optimiser steps, exact saving and loading."""

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
    """All trained networks. `agent` acts; the others are needed for training only."""

    agent: nn.Module


ConfigType = TypeVar("ConfigType", bound=BaseConfig)
ValueConfigType = TypeVar("ValueConfigType", bound=ValueConfig)
NetworksType = TypeVar("NetworksType", bound=Networks)


class NetworkLearner(ABC, Generic[ConfigType, NetworksType]):
    """Base class of all learners: networks, their target copy and their optimisers. Subclasses define the update.

    Args:
        config: Hyper-parameters.
        info: Sizes of the map.
        seed: Seed of the initial weights.
        device: Device of torch.
    """

    stat_names: ClassVar[tuple[str, ...]]
    diagnostic_names: ClassVar[tuple[str, ...]] = ()  # names of the metrics of `diagnostics`
    finite_stats: ClassVar[tuple[str, ...]] = ("loss", "grad_norm")  # a run stops if one of them is not finite
    learns_from_rounds: ClassVar[bool] = False  # `learn_from_round` is called after every round

    def __init__(self, config: ConfigType, info: EnvInfo, seed: int, device: str | torch.device) -> None:
        self.config, self.info, self.device = config, info, torch.device(device)
        keep_large_allocations()
        torch.backends.cudnn.allow_tf32 = False  # TF32 rounds the factors of a GRU's products to ten bits
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.online = self.build_networks().to(self.device)
        self.target = deepcopy(self.online).requires_grad_(False)
        self.last_target_update = 0  # value of the counter at the last copy into the target

    @abstractmethod
    def build_networks(self) -> NetworksType:
        """Return online networks, initialised from torch's global generator."""

    @cached_property
    def optimisers(self) -> Sequence[Optimiser]:
        """Optimisers. They are created at first use, because acting does not need their state."""
        return self.build_optimisers()

    def build_optimisers(self) -> Sequence[Optimiser]:
        """Return new optimisers with disjoint parameters."""
        return [self.rmsprop(self.online.parameters(), self.config.learning_rate)]

    def rmsprop(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> RMSprop:
        """Return an RMSprop with the configured smoothing and epsilon."""
        return RMSprop(parameters, learning_rate, self.config.optimiser_alpha, self.config.optimiser_epsilon)

    @abstractmethod
    def update(self, batch: Batch, key: int, episode: int, epsilon: float = 0.0) -> dict[str, float]:
        """Update from a batch, then copy into the target networks if the copy is due.

        Args:
            batch: B episodes.
            key: Key of the update's noise (roma.support.noise).
            episode: Number of training episodes before this round.
            epsilon: Exploration rate of this round.

        Returns:
            The statistics `stat_names`; NaN for those that this configuration does not compute.
        """

    def learn_from_round(self, batch: Batch, key: int) -> None:
        """Learn from a round's episodes right after they are played; by default, do nothing. `key` seeds the noise."""

    def diagnostics(self, batch: Batch, unit_types: Sequence[Sequence[str]], key: int) -> dict[str, float]:
        """Compute metrics that are too slow for every update, once for each row of the run's metrics.

        Training does not depend on them.

        Args:
            batch: The episodes of the last update.
            unit_types: Type of each unit of each episode, agents first.
            key: Key of the diagnostics' own noise.

        Returns:
            The values of `diagnostic_names`; NaN for those that do not apply.
        """
        return {}

    def named(self, statistics: Mapping[str, Tensor]) -> dict[str, float]:
        """Return all `stat_names` as numbers; NaN for those that are missing in `statistics`."""
        computed = dict(zip(statistics, torch.stack(list(statistics.values())).tolist(), strict=True))
        return {name: computed.get(name, float("nan")) for name in self.stat_names}

    def gradient_step(self, optimiser: Optimiser, loss: Tensor) -> Tensor:
        """Take an optimiser step that decreases this loss; return the gradient's norm before clipping."""
        optimiser.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(optimiser.parameters, self.config.grad_norm_clip)
        optimiser.step()
        return norm

    def copy_to_target(self, counter: int, period: int) -> None:
        """Copy all networks into the target networks if `counter` is at least `period` past the last copy."""
        if counter - self.last_target_update >= period:
            copy_tensors(self.online.state_dict(), self.target.state_dict())
            self.last_target_update = counter

    def epsilon(self, t_env: int) -> float:
        """Return the exploration rate after `t_env` environment steps of training: first linear, then constant."""
        start, finish = self.config.epsilon_start, self.config.epsilon_finish
        annealed = min(1.0, t_env / self.config.epsilon_anneal_steps)
        return start + (finish - start) * annealed

    def actor(self) -> Actor:
        """Return an actor for the online weights: compiled on the CPU, by torch on other devices."""
        return self.compiled_actor() if self.device.type == "cpu" else self.torch_actor()

    def compiled_actor(self) -> CompiledActor:
        """Return an actor that computes with compiled kernels, for learners on the CPU."""
        return CompiledActor(self.online.agent, self.info.n_agents)

    def torch_actor(self) -> TorchActor:
        """Return an actor that computes with torch."""
        return TorchActor(self.online.agent, self.info.n_agents, self.config.hidden_dim, self.device)

    def policy_tensors(self) -> dict[str, Tensor]:
        """Return the weights that a policy file keeps: those that acting needs. They are shared, not copied."""
        weights: dict[str, Tensor] = self.online.agent.state_dict()
        return weights

    def load_policy_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Load weights that `policy_tensors` returned."""
        copy_tensors(tensors, self.policy_tensors())

    def state_tensors(self) -> dict[str, Tensor]:
        """Return all state that later updates depend on: weights, targets, optimisers, counter. Shared, not copied."""
        state = {f"online.{name}": tensor for name, tensor in self.online.state_dict().items()}
        state |= {f"target.{name}": tensor for name, tensor in self.target.state_dict().items()}
        for optimiser in self.optimisers:
            for name, parameter in self.online.named_parameters():
                for quantity, value in optimiser.state.get(parameter, {}).items():
                    state[f"optimiser.{quantity}.{name}"] = value
        return state | {"last_target_update": torch.tensor(self.last_target_update)}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Load a state that `state_tensors` returned. Updates then continue bit for bit."""
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
    """Base class of learners that take gradient steps on one loss."""

    @abstractmethod
    def draw_noise(self, batch: Batch, key: int) -> Any:
        """Return the noise that the loss of this batch needs, drawn with this key."""

    @abstractmethod
    def loss(self, batch: Batch, noise: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss and its statistics: a pure function of networks, batch, noise and configuration."""

    def update(self, batch: Batch, key: int, episode: int, epsilon: float = 0.0) -> dict[str, float]:
        loss, statistics = self.loss(batch, self.draw_noise(batch, key))
        statistics["grad_norm"] = self.gradient_step(self.optimisers[0], loss)
        self.copy_to_target(episode, self.config.target_update_episodes)
        return self.named(statistics | {"loss": loss.detach()})


@torch.no_grad()
def copy_tensors(source: Mapping[str, Tensor], destination: Mapping[str, Tensor]) -> None:
    """Copy values in place.

    Raises:
        KeyError: The names differ.
    """
    if source.keys() != destination.keys():
        raise KeyError(f"tensors differ: {sorted(source.keys() ^ destination.keys())}")
    for name, tensor in destination.items():
        tensor.copy_(source[name])
