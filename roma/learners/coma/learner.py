"""COMA (Foerster et al., 2018): independent policies, taught by one critic that asks what each agent's action changed.

The policy is pi = (1 - epsilon) softmax(logits) + epsilon / U, cut to the available actions and renormalised.
The critic is fitted to TD(lambda) targets, one step of its optimiser for each timestep of the batch, the last first.
Then the policy takes one step down -log pi(a_i) (Q_i(a_i) - sum_a pi(a) Q_i(a)), the advantage held constant.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roma.envs.vector import EnvInfo
from roma.learners.base.acting import CompiledActor, TorchActor
from roma.learners.base.batch import Batch, PackedBatch
from roma.learners.base.learner import NetworkLearner, Networks
from roma.learners.base.optimisers import Optimiser
from roma.learners.base.temporal_difference import masked_mean, taken
from roma.learners.coma.config import Config
from roma.nets.critics import CounterfactualCritic
from roma.nets.ops.acting.choice import drawn, epsilon_greedy
from roma.nets.recurrent import UtilityAgent
from roma.support.errors import UserError


class ComaNetworks(Networks):
    """The agents' shared network, whose outputs are logits, and the critic."""

    agent: UtilityAgent

    def __init__(self, config: Config, info: EnvInfo) -> None:
        super().__init__()
        self.agent = UtilityAgent(info.obs_size, info.n_actions, info.n_agents, config.hidden_dim)
        self.state_size = info.state_size - (0 if config.state_last_actions else info.n_agents * info.n_actions)
        if self.state_size <= 0:
            raise UserError(f"a state of {info.state_size} numbers holds no last actions: set state_last_actions=true")
        self.critic = CounterfactualCritic(
            self.state_size, info.obs_size, info.n_actions, info.n_agents, config.critic_hidden
        )


def policy(logits: Tensor, avail_actions: Tensor, epsilon: float) -> Tensor:
    """pi: logits and available actions (..., U) to probabilities (..., U), of which one at least must be available."""
    if epsilon == 0:  # no floor keeps the available actions' share of the softmax from vanishing
        return logits.masked_fill(~avail_actions, -math.inf).softmax(-1)
    floored = (1 - epsilon) * logits.softmax(-1) + epsilon / logits.shape[-1]
    allowed = floored.masked_fill(~avail_actions, 0.0)
    return allowed / allowed.sum(-1, keepdim=True)


def choose(
    logits: NDArray[np.float32], avail_actions: NDArray[np.bool_], epsilon: float | None, draws: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Actions (...) drawn from pi by uniform draws (..., 2), the second; None is greedy: the most probable ones."""
    if epsilon is None:
        return epsilon_greedy(logits, avail_actions, epsilon, draws)
    # in double precision, where a draw below 1 stays below the sum of all probabilities
    probabilities = policy(torch.from_numpy(logits).double(), torch.from_numpy(avail_actions), epsilon).numpy()
    return drawn(probabilities, draws[..., 1])


def td_lambda_targets(
    reward: Tensor,
    terminated: Tensor,
    values: Tensor,
    mask: Tensor,
    counts: Sequence[int],
    gamma: float,
    td_lambda: float,
) -> Tensor:
    """G_t = r_t + gamma (1 - terminated_t) [(1 - lambda) Q^-_{t+1} + lambda G_{t+1}] of each agent.

    Rows as in PackedBatch: reward, terminated, mask (R,), Q^- of the actions taken (R, A); to (R, A). Where no step
    was taken, behind an episode that was cut off, G is Q^-.
    """
    targets = torch.empty_like(values)
    next_return = next_value = values[:0]
    slices = zip(*(part.split(list(counts)) for part in (reward, terminated, values, mask, targets)), strict=True)
    for step_reward, ends, value, taken_step, target in reversed(list(slices)):
        following = torch.lerp(next_value, next_return, td_lambda)
        target[:] = step_reward.unsqueeze(-1)
        target[: len(following)] += gamma * (1 - ends[: len(following)]).unsqueeze(-1) * following
        next_return, next_value = torch.where(taken_step.unsqueeze(-1) > 0, target, value), value
        target[:] = next_return
    return targets


def critic_values(networks: ComaNetworks, packed: PackedBatch, rows: slice) -> Tensor:
    """Q(s, (a_-i, .)) of some rows, (N, A, U)."""
    values: Tensor = networks.critic(
        packed.state[rows, : networks.state_size], packed.obs[rows], packed.actions[rows], packed.last_actions[rows]
    )
    return values


def critic_loss(values: Tensor, actions: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of Q (N, A, U) at the actions taken (N, A) over real steps and agents; mask (N,)."""
    return masked_mean(((taken(values, actions) - targets) ** 2).mean(-1), mask)


def actor_loss(
    agent: UtilityAgent, packed: PackedBatch, values: Tensor, epsilon: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """The policy's loss given the critic's values (R, A, U), and its statistics; mean over real steps and agents."""
    logits = agent(packed.obs, packed.last_actions, packed.counts)
    probabilities = policy(logits, packed.avail_actions, epsilon)
    with torch.no_grad():
        advantages = taken(values, packed.actions) - (probabilities * values).sum(-1)
    chosen = taken(probabilities, packed.actions).masked_fill(packed.mask.unsqueeze(-1) == 0, 1.0)
    loss = -masked_mean((advantages * chosen.log()).mean(-1), packed.mask)
    statistics = {
        "advantage_mean": masked_mean(advantages.mean(-1), packed.mask),
        "pi_max": masked_mean(probabilities.detach().amax(-1).mean(-1), packed.mask),
    }
    return loss, statistics


class Learner(NetworkLearner[Config, ComaNetworks]):
    """COMA. The counter of its target copies is the number of critic steps."""

    stat_names = (
        "loss",
        "grad_norm",
        "advantage_mean",
        "pi_max",
        "loss_critic",
        "critic_grad_norm",
        "td_error_abs",
        "q_taken_mean",
        "target_mean",
    )
    finite_stats = ("loss_critic", "critic_grad_norm", "loss", "grad_norm")
    critic_steps = 0

    def build_networks(self) -> ComaNetworks:
        return ComaNetworks(self.config, self.info)

    def build_optimisers(self) -> Sequence[Optimiser]:
        return [
            self.rmsprop(self.online.agent.parameters(), self.config.learning_rate),
            self.rmsprop(self.online.critic.parameters(), self.config.critic_learning_rate),
        ]

    def update(self, batch: Batch, key: int, episode: int, epsilon: float = 0.0) -> dict[str, float]:
        packed = PackedBatch(batch)
        values, statistics = self.train_critic(packed, self.targets(packed))
        loss, of_actor = actor_loss(self.online.agent, packed, values, epsilon)
        statistics |= of_actor | {"loss": loss.detach(), "grad_norm": self.gradient_step(self.optimisers[0], loss)}
        self.copy_to_target(self.critic_steps, self.config.target_update_steps)
        return self.named(statistics)

    @torch.no_grad()
    def targets(self, packed: PackedBatch) -> Tensor:
        """TD(lambda) targets (R, A). An episode cut off counts as ended: no action tells what was to come."""
        values = taken(critic_values(self.target, packed, slice(None)), packed.actions) * packed.mask.unsqueeze(-1)
        return td_lambda_targets(
            packed.reward,
            packed.terminated,
            values,
            packed.mask,
            packed.counts,
            self.config.gamma,
            self.config.td_lambda,
        )

    def train_critic(self, packed: PackedBatch, targets: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """One critic step for each timestep; returns each row's values before its own step (R, A, U), and statistics.

        So the policy's loss sees a critic that has learnt from what came later, as in PyMARL.
        """
        values = targets.new_zeros(*targets.shape, self.info.n_actions)
        losses, norms = [], []
        ends = np.cumsum(packed.counts)
        for end, count in zip(ends[::-1].tolist(), packed.counts[::-1], strict=True):
            rows = slice(end - count, end)
            if not packed.mask[rows].any():
                continue
            of_step = critic_values(self.online, packed, rows)
            values[rows] = of_step.detach()
            loss = critic_loss(of_step, packed.actions[rows], targets[rows], packed.mask[rows])
            norms.append(self.gradient_step(self.optimisers[1], loss))
            losses.append(loss.detach())
        self.critic_steps += len(losses)
        chosen = taken(values, packed.actions)
        return values, {
            "loss_critic": torch.stack(losses).mean(),
            "critic_grad_norm": torch.stack(norms).mean(),
            "td_error_abs": masked_mean((chosen - targets).abs().mean(-1), packed.mask),
            "q_taken_mean": masked_mean(chosen.mean(-1), packed.mask),
            "target_mean": masked_mean(targets.mean(-1), packed.mask),
        }

    def compiled_actor(self) -> CompiledActor:
        return CompiledActor(self.online.agent, self.info.n_agents, from_policy=True)

    def torch_actor(self) -> TorchActor:
        return TorchActor(self.online.agent, self.info.n_agents, self.config.hidden_dim, self.device, choose)

    def state_tensors(self) -> dict[str, Tensor]:
        return super().state_tensors() | {"critic_steps": torch.tensor(self.critic_steps)}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        super().load_state_tensors(tensors)
        self.critic_steps = int(tensors["critic_steps"])
