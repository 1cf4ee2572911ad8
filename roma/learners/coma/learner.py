"""COMA (Foerster et al., 2018): independent policies and one centralised critic with counterfactual advantages.

The policy is pi = (1 - epsilon) softmax(logits) + epsilon / U, restricted to available actions and renormalised.
The critic is fitted to TD(lambda) targets, with one optimiser step for each timestep of the batch, in reverse order.
Then the policy takes one step on -log pi(a_i) (Q_i(a_i) - sum_a pi(a) Q_i(a)), with a constant advantage.
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
            raise UserError(f"a state of {info.state_size} numbers has no last actions: set state_last_actions=true")
        self.critic = CounterfactualCritic(
            self.state_size, info.obs_size, info.n_actions, info.n_agents, config.critic_hidden
        )


def policy(logits: Tensor, avail_actions: Tensor, epsilon: float) -> Tensor:
    """Return pi, the probabilities of actions (..., U).

    Args:
        logits: The network's outputs (..., U).
        avail_actions: Available actions (..., U); at least one must be available.
        epsilon: Share of the uniform distribution.
    """
    if epsilon == 0:  # without the uniform share, the softmax of available actions could round to 0
        return logits.masked_fill(~avail_actions, -math.inf).softmax(-1)
    floored = (1 - epsilon) * logits.softmax(-1) + epsilon / logits.shape[-1]
    allowed = floored.masked_fill(~avail_actions, 0.0)
    return allowed / allowed.sum(-1, keepdim=True)


def choose(
    logits: NDArray[np.float32], avail_actions: NDArray[np.bool_], epsilon: float | None, draws: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Draw actions (...) from pi.

    Args:
        logits: The network's outputs (..., U).
        avail_actions: Available actions (..., U).
        epsilon: Share of the uniform distribution; None: return the most probable actions.
        draws: Uniform numbers (..., 2); the second one chooses the action.
    """
    if epsilon is None:
        return epsilon_greedy(logits, avail_actions, epsilon, draws)
    # Double precision keeps a draw below 1 below the sum of all probabilities.
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
    """Return G_t = r_t + gamma (1 - terminated_t) [(1 - lambda) Q^-_{t+1} + lambda G_{t+1}] of each agent, (R, A).

    In the row after an episode that was cut off, G is Q^-.

    Args:
        reward: Rewards (R,), rows as in PackedBatch.
        terminated: 1 at an episode's end (R,).
        values: Q^- of the actions taken (R, A).
        mask: 1 for real timesteps (R,).
        counts: Number of rows of each time.
        gamma: Discount factor.
        td_lambda: lambda.
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
    """Return Q(s, (a_-i, .)) of some rows, (N, A, U)."""
    values: Tensor = networks.critic(
        packed.state[rows, : networks.state_size], packed.obs[rows], packed.actions[rows], packed.last_actions[rows]
    )
    return values


def critic_loss(values: Tensor, actions: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Return the mean squared error of Q (N, A, U) at actions (N, A), over real timesteps (mask, (N,)) and agents."""
    return masked_mean(((taken(values, actions) - targets) ** 2).mean(-1), mask)


def actor_loss(
    agent: UtilityAgent, packed: PackedBatch, values: Tensor, epsilon: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the policy's loss, a mean over real timesteps and agents, and its statistics.

    Args:
        agent: The agents' network.
        packed: R rows.
        values: The critic's values (R, A, U).
        epsilon: Share of the uniform distribution in the policy.
    """
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
    """Learner of COMA. The number of critic steps schedules the copies into the target critic."""

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
        """Return the TD(lambda) targets (R, A).

        The value after an episode that was cut off is 0, because no action of that step is known.
        """
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
        """Take one critic step for each timestep, in reverse order, as PyMARL does.

        Returns:
            The values (R, A, U) of each timestep's rows before its own step, and statistics. The policy's loss
            therefore uses a critic that has already learnt from later timesteps.
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
