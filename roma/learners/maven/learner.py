"""MAVEN (Mahajan et al., 2019): QMIX conditioned on a latent z, which a team keeps for a whole episode.

Before an episode, a policy draws z given the initial state. z conditions the agents' last layer and the mixer.
    L = L_TD + w_MI CE(z, discriminator(softmax of the utilities, state))
The gradient of the second term reaches the agents, so that different z lead to different behaviour. The policy over z
has a loss of its own and learns after each round, from the returns of recent episodes:
    L_z = -sum log pi(z | s_0) R + w_H sum log pi(z | s_0)
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from roma.envs.vector import EnvInfo
from roma.learners.base.acting import CompiledActor, TorchActor
from roma.learners.base.batch import Batch, PackedBatch
from roma.learners.base.learner import Learner as BaseLearner
from roma.learners.base.learner import Networks
from roma.learners.base.optimisers import Adam, Optimiser
from roma.learners.base.temporal_difference import (
    best_actions,
    masked_mean,
    taken,
    td_loss,
    td_statistics,
    td_targets,
)
from roma.learners.maven.config import Config
from roma.nets.latent import LatentAgent, LatentPolicy, RecurrentDiscriminator, StepDiscriminator
from roma.nets.mixers import Mixer, make_mixer
from roma.nets.ops.acting.choice import drawn
from roma.support import noise
from roma.support.noise import Purpose

UNAVAILABLE = -9999999.0  # utility of an unavailable action in the discriminator's input


class MavenNetworks(Networks):
    """The acting network with the policy over z, the mixer, which reads state and z, and the discriminator."""

    agent: LatentAgent
    mixer: Mixer

    def __init__(self, config: Config, info: EnvInfo) -> None:
        super().__init__()
        self.agent = LatentAgent(
            info.obs_size,
            info.n_actions,
            info.n_agents,
            config.hidden_dim,
            config.noise_dim,
            info.state_size,
            config.latent_hidden,
        )
        self.mixer = make_mixer(config, info.state_size + config.noise_dim, info.n_agents)
        in_size = info.n_agents * info.n_actions + info.state_size
        sizes = config.discriminator_hidden, config.discriminator_layers, config.noise_dim
        self.discriminator = (
            StepDiscriminator(in_size, *sizes)
            if config.discriminator == "step"
            else RecurrentDiscriminator(in_size, config.discriminator_recurrent, *sizes)
        )


def loss(
    online: MavenNetworks, target: MavenNetworks, batch: Batch, config: Config
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return L and its statistics."""
    packed = PackedBatch(batch)
    latent = latents_of(packed)
    mixed = torch.cat([packed.state, functional.one_hot(latent, config.noise_dim).to(packed.state.dtype)], dim=-1)
    utilities = online.agent(packed.obs, packed.last_actions, packed.counts, latent)
    q_tot = online.mixer(taken(utilities, packed.actions), mixed)
    with torch.no_grad():
        target_utilities = target.agent(packed.obs, packed.last_actions, packed.counts, latent)
        chooser = utilities if config.double_q else target_utilities
        best = best_actions(packed.next(chooser), packed.next(packed.avail_actions))
        target_q_tot = target.mixer(taken(packed.next(target_utilities), best), packed.next(mixed))
        prior = online.agent.latent_policy(packed.state[: packed.counts[0]])
    targets = td_targets(packed.reward, packed.terminated, packed.from_next(target_q_tot), config.gamma)
    td = td_loss(q_tot, targets, packed.mask)

    information = information_loss(online.discriminator, utilities, packed)
    statistics = {"loss_td": td.detach(), "loss_information": information.detach()}
    statistics |= td_statistics(q_tot, targets, packed.mask, packed.actions.shape[-1])
    statistics["latent_policy_entropy"] = -(prior.exp() * prior).sum(-1).mean()
    return td + config.mi_weight * information, statistics


def latents_of(episodes: Batch | PackedBatch) -> Tensor:
    """Return z of each episode (B,) or row (R,)."""
    assert episodes.latents is not None
    return episodes.latents


def information_loss(
    discriminator: StepDiscriminator | RecurrentDiscriminator, utilities: Tensor, packed: PackedBatch
) -> Tensor:
    """Return the cross-entropy of z under the discriminator, which reads the softmax of the utilities and the state.

    It is a mean over real timesteps. For the recurrent discriminator it is a mean over episodes, after the last real
    timestep of each; the authors' code uses the GRU's state after the padding instead.

    Args:
        discriminator: The discriminator.
        utilities: Utilities of all actions (R, A, U).
        packed: R rows.
    """
    behaviour = utilities.masked_fill(~packed.avail_actions, UNAVAILABLE).softmax(-1)
    logits = discriminator(torch.cat([behaviour.flatten(1), packed.state], dim=-1), packed.counts)
    counted = packed.mask
    if isinstance(discriminator, RecurrentDiscriminator):
        counted = counted * (packed.from_next(packed.next(counted)) == 0)
    return masked_mean(functional.cross_entropy(logits, latents_of(packed), reduction="none"), counted)


def latent_policy_loss(
    policy: LatentPolicy, state: Tensor, latent: Tensor, returns: Tensor, entropy_weight: float
) -> Tensor:
    """Return L_z, a sum over episodes.

    Args:
        policy: The policy over z.
        state: Initial states (N, S).
        latent: z (N,).
        returns: Undiscounted returns (N,).
        entropy_weight: w_H.
    """
    chosen = policy(state).gather(-1, latent.unsqueeze(-1)).squeeze(-1)
    return -(chosen * returns).sum() + entropy_weight * chosen.sum()


class LatentActor(TorchActor):
    """Epsilon-greedy actor of agents that share a latent, which is drawn at the beginning of an episode."""

    def __init__(self, agent: LatentAgent, n_agents: int, config: Config, device: torch.device) -> None:
        super().__init__(agent, n_agents, config.hidden_dim, device)
        self.learnt = config.latent_policy == "learnt"

    @torch.inference_mode()
    def _begin(self, state: NDArray[np.float32]) -> NDArray[np.int64]:
        super()._begin(state)
        probabilities = self.agent.latent_policy(torch.from_numpy(state).to(self.device)).double().exp().cpu().numpy()
        latents = drawn(probabilities if self.learnt else np.ones_like(probabilities), self.latent_draws())
        self.latents = torch.tensor(latents, device=self.device)
        return latents

    def decide(self, obs: Tensor, greedy: bool) -> tuple[Tensor, Tensor]:
        decision: tuple[Tensor, Tensor] = self.agent.step(obs, self.last_actions, self.hidden, self.latents)
        return decision


class Learner(BaseLearner[Config, MavenNetworks]):
    """Learner of MAVEN. `memory` keeps the episodes from which the policy over z learns, the oldest first."""

    stat_names = (
        "loss",
        "loss_td",
        "loss_information",
        "grad_norm",
        "td_error_abs",
        "q_taken_mean",
        "target_mean",
        "q_tot_mean",
        "latent_policy_entropy",
    )
    finite_stats = ("loss", "grad_norm", "latent_policy_entropy")  # the last one checks the policy over z
    learns_from_rounds = True

    def __init__(self, config: Config, info: EnvInfo, seed: int, device: str | torch.device) -> None:
        super().__init__(config, info, seed, device)
        self.memory = {
            "state": torch.zeros(0, info.state_size, device=self.device),
            "latent": torch.zeros(0, dtype=torch.int64, device=self.device),
            "returns": torch.zeros(0, device=self.device),
        }

    def build_networks(self) -> MavenNetworks:
        return MavenNetworks(self.config, self.info)

    def build_optimisers(self) -> Sequence[Optimiser]:
        upper = list(self.online.agent.latent_policy.parameters())
        lower = [parameter for parameter in self.online.parameters() if all(parameter is not other for other in upper)]
        return [
            self.rmsprop(lower, self.config.learning_rate),
            Adam(upper, self.config.latent_learning_rate),
        ]

    def draw_noise(self, batch: Batch, key: int) -> None:
        """Return None: the loss needs no noise, because z is part of the batch."""

    def loss(self, batch: Batch, noise: None) -> tuple[Tensor, dict[str, Tensor]]:
        return loss(self.online, self.target, batch, self.config)

    def learn_from_round(self, batch: Batch, key: int) -> None:
        """Store the round's episodes, then update the policy over z, without gradient clipping, as the authors do."""
        config = self.config
        if config.latent_policy == "uniform":
            return
        new = {"state": batch.state[:, 0], "latent": latents_of(batch), "returns": batch.reward.sum(1)}
        for name, value in new.items():
            self.memory[name] = torch.cat([self.memory[name], value])[-config.latent_memory :]
        size = len(self.memory["returns"])
        draws = noise.uniforms(Purpose.MEMORY, [key], config.latent_updates, config.latent_batch, 1)[0, :, :, 0]
        for chosen in torch.from_numpy((draws * size).astype(np.int64)).to(self.device):
            self.latent_step(*(values[chosen] for values in self.memory.values()))

    def latent_step(self, state: Tensor, latent: Tensor, returns: Tensor) -> Tensor:
        """Take one optimiser step of the policy over z; return its loss."""
        policy = self.online.agent.latent_policy
        loss = latent_policy_loss(policy, state, latent, returns, self.config.latent_entropy)
        self.optimisers[1].zero_grad()
        loss.backward()
        self.optimisers[1].step()
        return loss.detach()

    def compiled_actor(self) -> CompiledActor:
        learnt = self.config.latent_policy == "learnt"
        return CompiledActor(self.online.agent, self.info.n_agents, learnt_latents=learnt)

    def torch_actor(self) -> TorchActor:
        return LatentActor(self.online.agent, self.info.n_agents, self.config, self.device)

    def state_tensors(self) -> dict[str, Tensor]:
        return super().state_tensors() | {f"memory.{name}": value for name, value in self.memory.items()}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        super().load_state_tensors(tensors)
        self.memory = {name: tensors[f"memory.{name}"].to(self.device, copy=True) for name in self.memory}
