"""The losses written plainly: one network call per timestep, one per partner of an agent, every generated
weight formed.

This is how the public reference learners are laid out. It reads the weights of the real networks, so that both can be
compared in value, gradient and time. Shapes as in roma.learners.batch.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from roma.envs.vector import EnvInfo
from roma.learners.batch import Batch

SHAPES = {  # of the maps that speed is measured on
    "2s3z": EnvInfo("2s3z", 5, 5, 11, 80, 120, 120),
    "MMM2": EnvInfo("MMM2", 10, 12, 18, 176, 322, 180),
    "27m_vs_30m": EnvInfo("27m_vs_30m", 27, 30, 36, 285, 1170, 180),
}


def random_batch(info: EnvInfo, lengths: list[int], seed: int) -> Batch:
    """Episodes of the given lengths with random contents and true padding; 60 % of the actions are available."""
    generator = torch.Generator().manual_seed(seed)
    n_episodes, steps, agents = len(lengths), max(lengths), info.n_agents
    ends = torch.tensor(lengths).unsqueeze(1)
    mask = (torch.arange(steps) < ends).float()
    filled = torch.arange(steps + 1) <= ends

    def draw(*shape: int) -> Tensor:
        return torch.randn(n_episodes, *shape, generator=generator)

    avail_actions = torch.rand(n_episodes, steps + 1, agents, info.n_actions, generator=generator) < 0.6
    avail_actions[..., 0] = True
    avail_actions &= filled[..., None, None]
    weights = avail_actions[:, :-1].float() + 1e-9
    actions = weights.flatten(0, 2).multinomial(1, generator=generator).view(n_episodes, steps, agents)
    return Batch(
        obs=draw(steps + 1, agents, info.obs_size) * filled[..., None, None],
        state=draw(steps + 1, info.state_size) * filled[..., None],
        avail_actions=avail_actions,
        actions=actions * mask.long().unsqueeze(-1),
        reward=draw(steps) * mask,
        terminated=(torch.arange(steps) == ends - 1).float(),
        mask=mask,
        latents=torch.randint(16, (n_episodes,), generator=generator),
    )


def padded(batch: Batch, slots: int) -> Batch:
    """The same episodes with further empty slots."""
    grown = {
        name: functional.pad(value, (0, 0) * (value.dim() - 2) + (0, slots))
        for name, value in vars(batch).items()
        if name != "latents"
    }
    return replace(batch, **grown)


def agent_inputs(batch: Batch, step: int) -> Tensor:
    """[o_i, one-hot last action, one-hot index] of all agents at one step, (B*A, I)."""
    obs, avail_actions = batch.obs[:, step], batch.avail_actions
    episodes, agents, _ = obs.shape
    last = torch.zeros(episodes, agents, avail_actions.shape[-1])
    if step > 0:
        last.scatter_(-1, batch.actions[:, step - 1].unsqueeze(-1), 1.0)
    index = torch.eye(agents).expand(episodes, -1, -1)
    return torch.cat([obs, last, index], dim=-1).flatten(0, 1)


def trunk_states(trunk: Any, batch: Batch) -> list[Tensor]:
    """GRU states after each slot, (B*A, H) each."""
    hidden = batch.obs.new_zeros(batch.obs.shape[0] * batch.obs.shape[2], trunk.gru.hidden_size)
    states = []
    for step in range(batch.obs.shape[1]):
        hidden = trunk.gru(trunk.input_layer(agent_inputs(batch, step)).relu(), hidden)
        states.append(hidden)
    return states


def mixed(mixer: Any, utilities: Tensor, state: Tensor) -> Tensor:
    """QMIX's monotonic mixing with linear hyper-networks: utilities (B, T, A), state (B, T, S) to (B, T)."""
    episodes, steps, agents = utilities.shape
    weights, biases = (part.split(mixer.widths) for part in (mixer.state_layer.weight, mixer.state_layer.bias))
    rows = state.reshape(episodes * steps, -1)
    first, final, bias, value = (functional.linear(rows, w, b) for w, b in zip(weights, biases, strict=True))
    hidden = torch.bmm(utilities.reshape(-1, 1, agents), first.abs().view(len(rows), agents, -1))
    hidden = functional.elu(hidden + bias.unsqueeze(1))
    q_tot = torch.bmm(hidden, final.abs().unsqueeze(2)).view(-1, 1) + mixer.value(value.relu())
    return q_tot.view(episodes, steps)


def td_loss(online: Any, target: Any, utilities: Tensor, target_utilities: Tensor, batch: Batch, config: Any) -> Tensor:
    """Double-Q one-step loss from all utilities (B, T+1, A, U)."""
    chosen = utilities[:, :-1].gather(-1, batch.actions.unsqueeze(-1)).squeeze(-1)
    masked = utilities.detach().clone()
    masked[~batch.avail_actions] = -9999999.0
    best = masked[:, 1:].argmax(-1, keepdim=True)
    target_chosen = target_utilities[:, 1:].gather(-1, best).squeeze(-1)
    q_tot = mixed(online.mixer, chosen, batch.state[:, :-1])
    target_q_tot = mixed(target.mixer, target_chosen, batch.state[:, 1:])
    targets = batch.reward + config.gamma * (1 - batch.terminated) * target_q_tot.detach()
    return ((q_tot - targets) ** 2 * batch.mask).sum() / batch.mask.sum()


def qmix_loss(online: Any, target: Any, batch: Batch, config: Any) -> Tensor:
    """QMIX, step by step."""
    shape = batch.obs.shape[0], batch.obs.shape[2], -1

    def utilities(agent: Any) -> Tensor:
        steps = [agent.utility_layer(state).view(shape) for state in trunk_states(agent.trunk, batch)]
        return torch.stack(steps, dim=1)

    return td_loss(online, target, utilities(online.agent), utilities(target.agent), batch, config)


def gaussian(head: Any, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and floored variance of a two-layer head."""
    mean, log_variance = head.output_layer(head.hidden_layer(inputs).relu()).chunk(2, dim=-1)
    return mean, log_variance.exp().clamp_min(head.variance_floor)


def role_unroll(agent: Any, batch: Batch, noise: Tensor) -> tuple[Tensor, list[Any]]:
    """Utilities (B, T+1, A, U), and per step (mean, variance, role, GRU state)."""
    episodes, _, agents, _ = batch.obs.shape
    utilities, steps = [], []
    for step, state in enumerate(trunk_states(agent.trunk, batch)):
        mean, variance = gaussian(agent.role_encoder, batch.obs[:, step].flatten(0, 1))
        role = mean + variance.sqrt() * noise[:, step].flatten(0, 1)
        decoder = agent.role_decoder
        generated = decoder.output_layer(decoder.hidden_layer(role).relu()).view(len(role), -1, decoder.n_actions)
        of_step = torch.bmm(state.unsqueeze(1), generated[:, :-1]).squeeze(1) + generated[:, -1]
        utilities.append(of_step.view(episodes, agents, -1))
        steps.append((mean, variance, role, state))
    return torch.stack(utilities, dim=1), steps


def min_max(columns: list[Tensor]) -> Tensor:
    """Pairs, some (B, A) columns, scaled to [0, 1] within each episode."""
    pairs = torch.cat(columns, dim=1)
    low, high = pairs.min(1, keepdim=True).values, pairs.max(1, keepdim=True).values
    return torch.where(high > low, (pairs - low) / (high - low + 1e-12), 0.0)


def roma_loss(online: Any, target: Any, batch: Batch, noise: Any, config: Any) -> Tensor:
    """ROMA by the paper's equations with the default switches, step by step and partner by partner."""
    utilities, steps = role_unroll(online.agent, batch, noise.online)
    target_utilities, _ = role_unroll(target.agent, batch, noise.target)
    total = td_loss(online, target, utilities, target_utilities, batch, config)

    agents = batch.obs.shape[2]
    weight = batch.mask / batch.mask.sum()
    trajectory = torch.zeros_like(steps[0][3])
    for step, (mean, variance, role, state) in enumerate(steps[:-1]):
        obs = batch.obs[:, step].flatten(0, 1)
        q_mean, q_variance = gaussian(online.trajectory_encoder, torch.cat([trajectory, obs], dim=1))
        ratio = variance / q_variance
        divergence = 0.5 * (ratio + (mean - q_mean) ** 2 / q_variance - 1 - ratio.log()).sum(1)
        identifiability = divergence.view(-1, agents).mean(1)

        of_agents = [part.view(-1, agents, part.shape[1]) for part in (role, q_mean, q_variance, trajectory)]
        information, dissimilarity = [], []
        for shift in range(1, agents):  # all pairs (i, i - shift) at once
            mean_j, variance_j, trajectory_j = (part.roll(shift, dims=1) for part in of_agents[1:])
            terms = (of_agents[0] - mean_j) ** 2 / variance_j + (2 * math.pi * variance_j).log()
            information.append(-0.5 * terms.sum(2))
            pair = torch.cat([of_agents[3], trajectory_j], dim=2)
            network = online.dissimilarity
            dissimilarity.append(network.output_layer(network.hidden_layer(pair).relu()).squeeze(2).abs())
        scaled = min_max(dissimilarity)
        capped = (min_max(information) + scaled).clamp_max(1.0).sum(1)
        specialisation = (scaled**2).sum(1).sqrt() - capped

        losses = config.lambda_identifiability * identifiability + config.lambda_specialisation * specialisation
        total = total + (losses * weight[:, step]).sum()
        trajectory = state.detach()
    return total


def update(learner: Any, loss: Tensor) -> None:
    """The optimiser step behind either loss."""
    learner.optimisers[0].zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(learner.online.parameters(), learner.config.grad_norm_clip)
    learner.optimisers[0].step()
