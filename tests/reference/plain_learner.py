"""The losses written plainly: one network call per timestep, one per partner of an agent, every generated
weight formed.

This is how the public reference learners are laid out. It reads the weights of the real networks, so that both can be
compared in value, gradient and time. Shapes as in roma.learners.base.batch.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from roma.envs.vector import EnvInfo
from roma.learners.base.batch import Batch

SHAPES = {  # of the maps that speed is measured on
    "2s3z": EnvInfo("2s3z", 5, 5, 11, 80, 120, 120, True),
    "MMM2": EnvInfo("MMM2", 10, 12, 18, 176, 322, 180, True),
    "27m_vs_30m": EnvInfo("27m_vs_30m", 27, 30, 36, 285, 1170, 180, True),
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
    obs, state = draw(steps + 1, agents, info.obs_size), draw(steps + 1, info.state_size)
    if info.state_last_actions:
        one_hot = functional.one_hot(actions, info.n_actions).flatten(2)
        state[..., -one_hot.shape[-1] :] = functional.pad(one_hot, (0, 0, 1, 0))
    return Batch(
        obs=obs * filled[..., None, None],
        state=state * filled[..., None],
        avail_actions=avail_actions,
        actions=actions * mask.long().unsqueeze(-1),
        reward=draw(steps) * mask,
        terminated=(torch.arange(steps) == ends - 1).float(),
        mask=mask,
        latents=torch.randint(2, (n_episodes,), generator=generator),  # the fewest values that MAVEN has
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
    """GRU states after each slot, (B*A, H) each. Agents with weights of their own take their turns."""
    episodes, steps, agents, _ = batch.obs.shape
    weights = dict(trunk.named_parameters())
    groups = [(slice(None), weights)]
    if not trunk.shared:
        groups = [(slice(i, None, agents), {name: each[i] for name, each in weights.items()}) for i in range(agents)]
    hidden = batch.obs.new_zeros(episodes * agents, weights["gru.weight_hh"].shape[-1])
    states = []
    for step in range(steps):
        inputs, after = agent_inputs(batch, step), torch.empty_like(hidden)
        for rows, own in groups:
            units = functional.linear(inputs[rows], own["input_layer.weight"], own["input_layer.bias"]).relu()
            recurrent = [own[f"gru.{name}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            after[rows] = torch.gru_cell(units, hidden[rows], *recurrent)
        hidden = after
        states.append(hidden)
    return states


def mixed(mixer: Any, utilities: Tensor, state: Tensor) -> Tensor:
    """QMIX's mixing with linear hyper-networks, or a simpler mixer's: utilities (B, T, A), state (B, T, S)."""
    if not hasattr(mixer, "state_layer"):
        return mixer(utilities, state)
    episodes, steps, agents = utilities.shape
    weights, biases = (part.split(mixer.widths) for part in (mixer.state_layer.weight, mixer.state_layer.bias))
    rows = state.reshape(episodes * steps, -1)
    first, final, bias, value = (functional.linear(rows, w, b) for w, b in zip(weights, biases, strict=True))
    hidden = torch.bmm(utilities.reshape(-1, 1, agents), first.abs().view(len(rows), agents, -1))
    hidden = functional.elu(hidden + bias.unsqueeze(1))
    q_tot = torch.bmm(hidden, final.abs().unsqueeze(2)).view(-1, 1) + mixer.value(value.relu())
    return q_tot.view(episodes, steps)


def td_loss(online: Any, target: Any, utilities: Tensor, target_utilities: Tensor, batch: Batch, config: Any) -> Tensor:
    """Double-Q one-step loss from all utilities (B, T+1, A, U); of each agent alone where nothing mixes them."""
    chosen = utilities[:, :-1].gather(-1, batch.actions.unsqueeze(-1)).squeeze(-1)
    masked = utilities.detach().clone()
    masked[~batch.avail_actions] = -9999999.0
    best = masked[:, 1:].argmax(-1, keepdim=True)
    target_chosen = target_utilities[:, 1:].gather(-1, best).squeeze(-1)
    q_tot = mixed(online.mixer, chosen, batch.state[:, :-1])
    target_q_tot = mixed(target.mixer, target_chosen, batch.state[:, 1:])
    reward, terminated, mask = (
        part.view(*part.shape, *[1] * (q_tot.dim() - 2)).expand_as(q_tot)
        for part in (batch.reward, batch.terminated, batch.mask)
    )
    targets = reward + config.gamma * (1 - terminated) * target_q_tot.detach()
    return ((q_tot - targets) ** 2 * mask).sum() / mask.sum()


def qmix_loss(online: Any, target: Any, batch: Batch, config: Any) -> Tensor:
    """QMIX and its kin, step by step."""
    shape = batch.obs.shape[0], batch.obs.shape[2], -1

    def utilities(agent: Any) -> Tensor:
        steps = [agent.utilities(state.view(shape)) for state in trunk_states(agent.trunk, batch)]
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
    if not config.lambda_identifiability and not config.lambda_specialisation:
        return total

    agents = batch.obs.shape[2]
    weight = batch.mask / batch.mask.sum()
    trajectory = torch.zeros_like(steps[0][3])
    for step, (mean, variance, role, state) in enumerate(steps[:-1]):
        obs = batch.obs[:, step].flatten(0, 1)
        q_mean, q_variance = gaussian(online.trajectory_encoder, torch.cat([trajectory, obs], dim=1))
        per_agent = [
            part.view(-1, agents, part.shape[1]) for part in (mean, variance, role, q_mean, q_variance, trajectory)
        ]
        if config.lambda_identifiability:
            losses = identifiability(*per_agent[:2], *per_agent[3:5])
            total = total + config.lambda_identifiability * (losses * weight[:, step]).sum()
        if config.lambda_specialisation:
            dissimilarity = dissimilarities(online.dissimilarity, per_agent[5])
            losses = specialisation(*per_agent[2:5], dissimilarity, config.pair_reduction)
            total = total + config.lambda_specialisation * (losses * weight[:, step]).sum()
        trajectory = state.detach()
    return total


def identifiability(mean: Tensor, variance: Tensor, q_mean: Tensor, q_variance: Tensor) -> Tensor:
    """L_I of one step, all (B, A, role_dim) to (B,)."""
    ratio = variance / q_variance
    return 0.5 * (ratio + (mean - q_mean) ** 2 / q_variance - 1 - ratio.log()).sum(2).mean(1)


def dissimilarities(network: Any, trajectory: Tensor) -> list[Tensor]:
    """d of all pairs (i, i - shift) for each shift, (B, A) each: trajectories (B, A, H)."""
    pairs = [torch.cat([trajectory, trajectory.roll(m, dims=1)], dim=2) for m in range(1, trajectory.shape[1])]
    return [network.output_layer(network.hidden_layer(pair).relu()).squeeze(2).abs() for pair in pairs]


def specialisation(
    role: Tensor, q_mean: Tensor, q_variance: Tensor, dissimilarity: list[Tensor], reduction: str
) -> Tensor:
    """L_D of one step (B,): roles and posteriors (B, A, role_dim), dissimilarities by shift, sum or mean over pairs."""
    information = []
    for shift in range(1, role.shape[1]):
        mean_j, variance_j = (part.roll(shift, dims=1) for part in (q_mean, q_variance))
        terms = (role - mean_j) ** 2 / variance_j + (2 * math.pi * variance_j).log()
        information.append(-0.5 * terms.sum(2))
    scaled = min_max(dissimilarity)
    capped = (min_max(information) + scaled).clamp_max(1.0).sum(1)
    loss = (scaled**2).sum(1).sqrt() - capped
    return loss / scaled.shape[1] if reduction == "mean" else loss


def qtran_loss(online: Any, target: Any, batch: Batch, config: Any) -> Tensor:
    """QTRAN-base, step by step."""
    episodes, slots, agents, _ = batch.obs.shape

    def joint(mixer: Any, step: int, state: Tensor, actions: Tensor) -> Tensor:
        chosen = functional.one_hot(actions, batch.avail_actions.shape[-1]).to(state.dtype)
        encoded = mixer.encoder_hidden(torch.cat([state.view(episodes, agents, -1), chosen], dim=2)).relu()
        team = mixer.encoder_output(encoded).sum(1)
        return mixer.joint_layers(torch.cat([batch.state[:, step], team], dim=1)).squeeze(1)

    states, target_states = (trunk_states(networks.agent.trunk, batch) for networks in (online, target))
    total, best_of = batch.reward.new_zeros(()), []
    for step, state in enumerate(states):
        masked = online.agent.utility_layer(state).view(episodes, agents, -1).detach().clone()
        masked[~batch.avail_actions[:, step]] = -9999999.0
        best_of.append(masked.argmax(-1))
    for step in range(slots - 1):
        following = joint(target.mixer, step + 1, target_states[step + 1], best_of[step + 1]).detach()
        targets = batch.reward[:, step] + config.gamma * (1 - batch.terminated[:, step]) * following
        utilities = online.agent.utility_layer(states[step]).view(episodes, agents, -1)
        at_taken, at_best = (
            utilities.gather(-1, actions.unsqueeze(-1)).sum((1, 2))
            for actions in (batch.actions[:, step], best_of[step])
        )
        of_taken = joint(online.mixer, step, states[step], batch.actions[:, step])
        of_best = joint(online.mixer, step, states[step], best_of[step]).detach()
        value = online.mixer.state_layers(batch.state[:, step]).squeeze(1)
        losses = (of_taken - targets) ** 2
        losses = losses + config.optimum_weight * (at_best - of_best + value) ** 2
        losses = losses + config.bound_weight * (at_taken - of_taken.detach() + value).clamp_max(0) ** 2
        total = total + (losses * batch.mask[:, step]).sum() / batch.mask.sum()
    return total


def maven_loss(online: Any, target: Any, batch: Batch, config: Any) -> Tensor:
    """MAVEN with the recurrent discriminator, step by step."""
    episodes, slots, agents, _ = batch.obs.shape
    latent = functional.one_hot(batch.latents, config.noise_dim).to(batch.obs.dtype)
    of_agents = torch.cat(
        [latent.unsqueeze(1).expand(-1, agents, -1), torch.eye(agents).to(latent).expand(episodes, -1, -1)], dim=2
    ).flatten(0, 1)

    def utilities(agent: Any) -> Tensor:
        steps = []
        for state in trunk_states(agent.trunk, batch):
            layer = agent.generator(of_agents).view(len(state), agent.n_actions, -1)
            steps.append(torch.bmm(layer, state.unsqueeze(2)).view(episodes, agents, -1))
        return torch.stack(steps, dim=1)

    of_online = utilities(online.agent)
    seen = torch.cat([batch.state, latent.unsqueeze(1).expand(-1, slots, -1)], dim=2)
    total = td_loss(online, target, of_online, utilities(target.agent), replace(batch, state=seen), config)
    network, last = online.discriminator, batch.mask.sum(1).long() - 1
    hidden = batch.obs.new_ones(episodes, network.gru.hidden_size)
    information = batch.reward.new_zeros(episodes)
    for step in range(slots - 1):
        behaviour = of_online[:, step].masked_fill(~batch.avail_actions[:, step], -9999999.0).softmax(-1)
        inputs = torch.cat([behaviour.flatten(1), batch.state[:, step]], dim=1)
        hidden = torch.gru_cell(inputs, hidden, *network.gru.parameters())
        losses = functional.cross_entropy(network.classifier(hidden), batch.latents, reduction="none")
        information = torch.where(last == step, losses, information)
    return total + config.mi_weight * information.mean()


LOSSES = dict.fromkeys(("qmix", "vdn", "iql", "qmix_nps", "qmix_lar"), qmix_loss)
LOSSES |= dict.fromkeys(("roma", "roma_td", "roma_td_li", "roma_td_ld"), roma_loss)
LOSSES |= {"qtran": qtran_loss, "maven": maven_loss}


def update(learner: Any, loss: Tensor) -> None:
    """The optimiser step behind either loss."""
    learner.optimisers[0].zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(learner.online.parameters(), learner.config.grad_norm_clip)
    learner.optimisers[0].step()
