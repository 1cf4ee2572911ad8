"""What all learners share: networks and their target copy, the optimiser step, exact saving and loading."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from roma.envs.vector import EnvInfo
from roma.learners.acting import Actor
from roma.learners.allocator import keep_large_allocations
from roma.learners.base_config import BaseConfig
from roma.learners.batch import Batch


class Networks(nn.Module):
    """Everything that is trained. `agent` is the part that acts; the rest serves training only."""

    agent: Any
    mixer: Any


ConfigType = TypeVar("ConfigType", bound=BaseConfig)
NetworksType = TypeVar("NetworksType", bound=Networks)


class Learner(ABC, Generic[ConfigType, NetworksType]):
    """Learns from batches of episodes by gradient steps on a family's loss."""

    stat_names: ClassVar[tuple[str, ...]]

    def __init__(self, config: ConfigType, info: EnvInfo, seed: int, device: str | torch.device) -> None:
        self.config, self.info, self.device = config, info, torch.device(device)
        keep_large_allocations()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.online = self.build_networks().to(self.device)
        self.target = deepcopy(self.online).requires_grad_(False)
        self.optimiser = torch.optim.RMSprop(
            self.online.parameters(),
            lr=config.learning_rate,
            alpha=config.optimiser_alpha,
            eps=config.optimiser_epsilon,
        )
        self.last_target_update = 0  # episode counter at the last copy into the target networks

    @abstractmethod
    def build_networks(self) -> NetworksType:
        """Fresh online networks, initialised from torch's global generator."""

    @abstractmethod
    def draw_noise(self, batch: Batch, generator: torch.Generator) -> Any:
        """The noise that the loss of this batch takes."""

    @abstractmethod
    def loss(self, batch: Batch, noise: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """The family's loss and statistics: a pure function of networks, batch, noise and configuration."""

    def update(self, batch: Batch, generator: torch.Generator, episode: int) -> dict[str, float]:
        """One gradient step, then the target copy if due. `episode` counts training episodes before this round's.

        Returns `stat_names`; a statistic that the configuration leaves uncomputed is NaN.
        """
        loss, statistics = self.loss(batch, self.draw_noise(batch, generator))
        self.optimiser.zero_grad()
        loss.backward()
        statistics["grad_norm"] = nn.utils.clip_grad_norm_(self.online.parameters(), self.config.grad_norm_clip)
        self.optimiser.step()
        if episode - self.last_target_update >= self.config.target_update_episodes:
            copy_tensors(self.online.state_dict(), self.target.state_dict())
            self.last_target_update = episode
        statistics["loss"] = loss.detach()
        computed = dict(zip(statistics, torch.stack(list(statistics.values())).tolist(), strict=True))
        return {name: computed.get(name, float("nan")) for name in self.stat_names}

    def epsilon(self, t_env: int) -> float:
        """Exploration after `t_env` training environment steps: linear, then constant."""
        start, finish = self.config.epsilon_start, self.config.epsilon_finish
        annealed = min(1.0, t_env / self.config.epsilon_anneal_steps)
        return start + (finish - start) * annealed

    def actor(self) -> Actor:
        """An actor that shares the online weights."""
        return Actor(self.online.agent, self.info.n_agents, self.config.hidden_dim, self.device)

    def roles(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the roles of agents that see `obs` (..., O): (..., role_dim), size 0 without roles."""
        return obs[..., :0], obs[..., :0]

    def actor_tensors(self) -> dict[str, Tensor]:
        """The weights that acting needs, and no others; shared with the learner, not copied."""
        weights: dict[str, Tensor] = self.online.agent.state_dict()
        return weights

    def load_actor_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over weights that `actor_tensors` gave."""
        copy_tensors(tensors, self.actor_tensors())

    def state_tensors(self) -> dict[str, Tensor]:
        """All that later updates depend on: weights, targets, optimiser state, counter. Shared, not copied."""
        state = {f"online.{name}": tensor for name, tensor in self.online.state_dict().items()}
        state |= {f"target.{name}": tensor for name, tensor in self.target.state_dict().items()}
        for name, parameter in self.online.named_parameters():
            for quantity, value in self.optimiser.state[parameter].items():
                state[f"optimiser.{quantity}.{name}"] = value
        return state | {"last_target_update": torch.tensor(self.last_target_update)}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over a state that `state_tensors` gave; updates then continue bit for bit."""
        for prefix, networks in (("online.", self.online), ("target.", self.target)):
            weights = {k.removeprefix(prefix): value for k, value in tensors.items() if k.startswith(prefix)}
            copy_tensors(weights, networks.state_dict())
        self.optimiser.state.clear()
        parameters = dict(self.online.named_parameters())
        for key, value in tensors.items():
            if key.startswith("optimiser."):
                _, quantity, name = key.split(".", maxsplit=2)
                self.optimiser.state[parameters[name]][quantity] = value.clone()
        self.last_target_update = int(tensors["last_target_update"])


@torch.no_grad()
def copy_tensors(source: Mapping[str, Tensor], destination: Mapping[str, Tensor]) -> None:
    """Copies values in place; raises KeyError where the names differ."""
    if source.keys() != destination.keys():
        raise KeyError(f"tensors differ: {sorted(source.keys() ^ destination.keys())}")
    for name, tensor in destination.items():
        tensor.copy_(source[name])
