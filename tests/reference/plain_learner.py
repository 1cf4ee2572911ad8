"""The learners in their plainest form: start reading here.

Each loss is a loop over time steps that calls one network at a time, forms every weight that a role generates, and
visits every pair of agents. The learners in roma/learners compute the same values and gradients faster, and tests
compare the two (tests/learners/test_losses.py). The weights are those of the real networks.

ROMA comes first, from Eq. 7 down to its networks:

    roma_loss            L = L_TD + lambda_I L_I + lambda_D L_D      Eq. 7
      role_unroll        roles rho_i ~ N(f(o_i)) and utilities       Eq. 1, section 3
      td_loss, mixed     L_TD on the mixed utilities Q_tot           section 3
      identifiability    L_I                                         Eqs. 3, 11
      specialisation     L_D, with I_ij and d_ij of all pairs        Eqs. 4, 6, 14, 22
      trunk_states       h^t of every agent                          appendix B.1

QMIX and its kin, QTRAN and MAVEN follow. COMA, which alternates between two losses, has no plain version: see
roma/learners/coma/learner.py.

Shapes: B episodes, T steps (slot T holds what was seen last), A agents, U actions, H units of the GRU; see
roma/learners/base/batch.py.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from roma.learners.base.batch import Batch


def roma_loss(online: Any, target: Any, batch: Batch, noise: Any, config: Any) -> Tensor:
    """Return L = L_TD + lambda_I L_I + lambda_D L_D (Eq. 7) with the default readings, step by step.

    Args:
        online: Networks `agent` (trunk, f, g), `mixer`, `trajectory_encoder` (q_xi) and `dissimilarity` (d_phi).
        target: A copy of them from some episodes ago.
        batch: B episodes of up to T steps; `mask` is 0 behind the end of an episode.
        noise: Standard normal draws behind the sampled roles, `online` and `target`, (B, T+1, A, role_dim) each.
        config: Of roma.learners.roma.config.
    """
    utilities, steps = role_unroll(online.agent, batch, noise.online)
    target_utilities, _ = role_unroll(target.agent, batch, noise.target)
    total = td_loss(online, target, utilities, target_utilities, batch, config)  # trains f, g, trunk and mixer
    if not config.lambda_identifiability and not config.lambda_specialisation:
        return total

    agents = batch.obs.shape[2]
    weight = batch.mask / batch.mask.sum()
    trajectory = torch.zeros_like(steps[0][3])  # tau: the GRU state h^{t-1}, zero at first
    for step, (mean, variance, role, state) in enumerate(steps[:-1]):
        obs = batch.obs[:, step].flatten(0, 1)
        q_mean, q_variance = gaussian(online.trajectory_encoder, torch.cat([trajectory, obs], dim=1))
        of_step = (mean, variance, role, q_mean, q_variance, trajectory)  # (B*A, ...) each
        mean, variance, role, q_mean, q_variance, tau = (part.view(-1, agents, part.shape[1]) for part in of_step)
        if config.lambda_identifiability:
            losses = identifiability(mean, variance, q_mean, q_variance)
            total = total + config.lambda_identifiability * (losses * weight[:, step]).sum()
        if config.lambda_specialisation:
            dissimilarity = dissimilarities(online.dissimilarity, tau)
            losses = specialisation(role, q_mean, q_variance, dissimilarity, config.pair_reduction)
            total = total + config.lambda_specialisation * (losses * weight[:, step]).sum()
        trajectory = state.detach()  # so the role losses train f, q_xi and d_phi only
    return total


def role_unroll(agent: Any, batch: Batch, noise: Tensor) -> tuple[Tensor, list[Any]]:
    """Let ROMA's agents pass through whole episodes: f makes a role of each observation, g a last layer of each role.

    Returns:
        Utilities (B, T+1, A, U), and for each step mean, variance and sample of the roles (B*A, role_dim) and the GRU
        state (B*A, H).
    """
    episodes, _, agents, _ = batch.obs.shape
    utilities, steps = [], []
    for step, state in enumerate(trunk_states(agent.trunk, batch)):
        mean, variance = gaussian(agent.role_encoder, batch.obs[:, step].flatten(0, 1))
        role = mean + variance.sqrt() * noise[:, step].flatten(0, 1)
        decoder = agent.role_decoder
        # g(rho) is the weight (H, U) of the utility's last layer and, as its last row, the bias (U,).
        generated = decoder.output_layer(decoder.hidden_layer(role).relu()).view(len(role), -1, decoder.n_actions)
        of_step = torch.bmm(state.unsqueeze(1), generated[:, :-1]).squeeze(1) + generated[:, -1]
        utilities.append(of_step.view(episodes, agents, -1))
        steps.append((mean, variance, role, state))
    return torch.stack(utilities, dim=1), steps


def gaussian(head: Any, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and floored variance of a network with one hidden layer: f of Eq. 1 or q_xi of Eq. 3."""
    mean, log_variance = head.output_layer(head.hidden_layer(inputs).relu()).chunk(2, dim=-1)
    return mean, log_variance.exp().clamp_min(head.variance_floor)


def identifiability(mean: Tensor, variance: Tensor, q_mean: Tensor, q_variance: Tensor) -> Tensor:
    """Return L_I of one step, KL(p(rho_i | o_i) || q_xi(rho_i | tau_i, o_i)), a mean over agents (Eqs. 3 and 11).

    All (B, A, role_dim) to (B,).
    """
    ratio = variance / q_variance
    return 0.5 * (ratio + (mean - q_mean) ** 2 / q_variance - 1 - ratio.log()).sum(2).mean(1)


def specialisation(
    role: Tensor, q_mean: Tensor, q_variance: Tensor, dissimilarity: list[Tensor], reduction: str
) -> Tensor:
    """Return L_D of one step, ||D'||_F - sum over i != j of min(I'_ij + d'_ij, 1) (Eqs. 6 and 22), (B,).

    I_ij = log q_xi(rho_i | tau_j, o_j) (Eqs. 14 and 17). Roles, means and variances of q_xi are (B, A, role_dim), the
    dissimilarities (B, A) for each shift. The reduction `mean` divides L_D by the number of pairs.
    """
    information = []
    for shift in range(1, role.shape[1]):
        mean_j, variance_j = (part.roll(shift, dims=1) for part in (q_mean, q_variance))  # j = i - shift
        terms = (role - mean_j) ** 2 / variance_j + (2 * math.pi * variance_j).log()
        information.append(-0.5 * terms.sum(2))  # log N(rho_i; mean_j, variance_j)
    scaled = min_max(dissimilarity)
    capped = (min_max(information) + scaled).clamp_max(1.0).sum(1)
    loss = (scaled**2).sum(1).sqrt() - capped  # the first is ||D'||_F
    return loss / scaled.shape[1] if reduction == "mean" else loss


def dissimilarities(network: Any, trajectory: Tensor) -> list[Tensor]:
    """Return |d_phi(tau_i, tau_j)| of all pairs (Eq. 4), (B, A) for each shift s: i = 0 to A - 1 with j = i - s.

    Trajectories are (B, A, H).
    """
    pairs = [torch.cat([trajectory, trajectory.roll(m, dims=1)], dim=2) for m in range(1, trajectory.shape[1])]
    return [network.output_layer(network.hidden_layer(pair).relu()).squeeze(2).abs() for pair in pairs]


def min_max(columns: list[Tensor]) -> Tensor:
    """Return pairs, some (B, A) columns, scaled to [0, 1] within each episode: I' or d'."""
    pairs = torch.cat(columns, dim=1)
    low, high = pairs.min(1, keepdim=True).values, pairs.max(1, keepdim=True).values
    return torch.where(high > low, (pairs - low) / (high - low + 1e-12), 0.0)


def td_loss(online: Any, target: Any, utilities: Tensor, target_utilities: Tensor, batch: Batch, config: Any) -> Tensor:
    """Return L_TD = (r + gamma Q_tot^-(s', a'*) - Q_tot(s, a))^2, a mean over real steps.

    a'* are the best available actions by the online utilities (double Q-learning). Utilities are (B, T+1, A, U).
    Without a mixer each agent has a value and an error of its own.
    """
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


def mixed(mixer: Any, utilities: Tensor, state: Tensor) -> Tensor:
    """Return Q_tot (B, T) by QMIX's mixer with linear hyper-networks, or by a simpler mixer's own forward.

    Q_tot = |w2(s)| elu(|W1(s)| q + b1(s)) + v(s), with utilities (B, T, A) and state (B, T, S). One weight matrix,
    `state_layer`, holds all layers that read the state.
    """
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


def trunk_states(trunk: Any, batch: Batch) -> list[Tensor]:
    """Return the GRU states after each slot, (B*A, H) each: h^t = GRU(relu(W x^t + b), h^{t-1}).

    Agents share their weights; those with weights of their own (QMIX-NPS) take turns.
    """
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


def agent_inputs(batch: Batch, step: int) -> Tensor:
    """Return x_i = [o_i, one-hot last action, one-hot index] of all agents at one step, (B*A, I)."""
    obs, avail_actions = batch.obs[:, step], batch.avail_actions
    episodes, agents, _ = obs.shape
    last = torch.zeros(episodes, agents, avail_actions.shape[-1])
    if step > 0:
        last.scatter_(-1, batch.actions[:, step - 1].unsqueeze(-1), 1.0)
    index = torch.eye(agents).expand(episodes, -1, -1)
    return torch.cat([obs, last, index], dim=-1).flatten(0, 1)


def update(learner: Any, loss: Tensor) -> None:
    """Take the optimiser's step down a loss, as every learner with one loss does once per batch."""
    learner.optimisers[0].zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(learner.online.parameters(), learner.config.grad_norm_clip)
    learner.optimisers[0].step()


def qmix_loss(online: Any, target: Any, batch: Batch, config: Any) -> Tensor:
    """Return L_TD of QMIX, VDN, IQL, QMIX-NPS or QMIX-LAR, step by step."""
    shape = batch.obs.shape[0], batch.obs.shape[2], -1

    def utilities(agent: Any) -> Tensor:
        steps = [agent.utilities(state.view(shape)) for state in trunk_states(agent.trunk, batch)]
        return torch.stack(steps, dim=1)

    return td_loss(online, target, utilities(online.agent), utilities(target.agent), batch, config)


def qtran_loss(online: Any, target: Any, batch: Batch, config: Any) -> Tensor:
    """Return the loss of QTRAN-base, step by step; roma/learners/qtran/learner.py names its terms."""
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
    """Return the loss of MAVEN with the recurrent discriminator, step by step."""
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
