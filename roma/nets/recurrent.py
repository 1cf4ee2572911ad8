"""The recurrent part all agents share, and the agent of QMIX and its kin.

Whole episodes go through in one piece: every layer but the GRU's hidden product is one matrix product over the
(B, T, A) block. Hidden states come back time-major, the order in which the recurrence writes them.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


class RecurrentTrunk(nn.Module):
    """Input layer with ReLU, then a GRU, over what agent i knows: o_i, its last action, its index (appendix B.1)."""

    def __init__(self, obs_size: int, n_actions: int, n_agents: int, hidden_dim: int) -> None:
        super().__init__()
        self.obs_size, self.n_actions = obs_size, n_actions
        self.input_layer = nn.Linear(obs_size + n_actions + n_agents, hidden_dim)
        self.gru = nn.GRUCell(hidden_dim, hidden_dim)

    def embed(self, obs: Tensor, last_actions: Tensor) -> Tensor:
        """The input layer: obs (..., A, O) and last actions (..., A), -1 for none, to (..., A, H).

        One-hot action and index select columns of the weight; they are looked up instead of multiplied.
        """
        of_obs, of_action, of_agent = self.input_layer.weight.split(
            [self.obs_size, self.n_actions, self.input_layer.in_features - self.obs_size - self.n_actions], dim=1
        )
        action_rows = functional.pad(of_action.T, (0, 0, 1, 0))
        selected = functional.embedding(last_actions + 1, action_rows)
        return functional.linear(obs, of_obs).add(selected).add(of_agent.T + self.input_layer.bias).relu()

    def step(self, obs: Tensor, last_actions: Tensor, hidden: Tensor) -> Tensor:
        """One decision: obs (E, A, O), last actions (E, A), hidden (E*A, H) to the next hidden (E*A, H)."""
        next_hidden: Tensor = self.gru(self.embed(obs, last_actions).flatten(0, 1), hidden)
        return next_hidden

    def forward(self, obs: Tensor, actions: Tensor) -> Tensor:
        """Whole episodes: obs (B, T+1, A, O), actions (B, T, A) to hidden states (T+2, B, A, H).

        Entry t is the state before slot t, entry t+1 the state after it; entry 0 is zero.
        """
        last_actions = functional.pad(actions, (0, 0, 1, 0), value=-1)
        gates = functional.linear(self.embed(obs, last_actions), self.gru.weight_ih, self.gru.bias_ih)
        hidden: Tensor = GatedRecurrence.apply(gates.transpose(0, 1), self.gru.weight_hh, self.gru.bias_hh)
        return hidden


class GatedRecurrence(torch.autograd.Function):
    """The part of a GRU that walks through time, from a zero state: (T, B, A, 3H) gate inputs to (T+1, B, A, H).

    Gates in torch's order: reset r, update u, candidate c; h' = (1 - u) c + u h with c = tanh(x_c + r (W_c h + b_c)).
    The backward pass is written out, for the weight's gradient is then one product over all steps.
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        steps, batch, agents, _ = gates.shape
        width = weight.shape[1]
        kept = steps if any(ctx.needs_input_grad) else 1  # without gradients one slot of gates is enough
        hidden = gates.new_zeros(steps + 1, batch, agents, width)
        reset_update = gates.new_empty(kept, batch, agents, 2 * width)
        candidate = gates.new_empty(kept, batch, agents, width)
        recurrent = gates.new_empty(kept, batch, agents, width)
        product = gates.new_empty(batch, agents, 3 * width)
        product_rows, weight_columns = product.flatten(0, 1), weight.T
        for step in range(steps):
            slot = step if kept > 1 else 0
            torch.addmm(bias, hidden[step].flatten(0, 1), weight_columns, out=product_rows)
            torch.add(gates[step, ..., : 2 * width], product[..., : 2 * width], out=reset_update[slot]).sigmoid_()
            reset, update = reset_update[slot].split(width, dim=-1)
            recurrent[slot] = product[..., 2 * width :]
            torch.addcmul(gates[step, ..., 2 * width :], reset, recurrent[slot], out=candidate[slot]).tanh_()
            torch.lerp(candidate[slot], hidden[step], update, out=hidden[step + 1])
        ctx.save_for_backward(hidden, reset_update, candidate, recurrent, weight)
        return hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden, reset_update, candidate, recurrent, weight = ctx.saved_tensors
        steps, batch, agents, width = candidate.shape
        grad_gates = hidden.new_empty(steps, batch, agents, 3 * width)  # with respect to the gates' inputs
        grad_product = hidden.new_empty(steps, batch, agents, 3 * width)  # with respect to weight @ hidden + bias
        carried = grad_hidden[steps].clone()
        for step in reversed(range(steps)):
            reset, update = reset_update[step].split(width, dim=-1)
            grad_reset, grad_update, grad_candidate = grad_gates[step].split(width, dim=-1)
            torch.ops.aten.tanh_backward(carried * (1 - update), candidate[step], grad_input=grad_candidate)
            torch.ops.aten.sigmoid_backward(grad_candidate * recurrent[step], reset, grad_input=grad_reset)
            torch.ops.aten.sigmoid_backward(carried * (hidden[step] - candidate[step]), update, grad_input=grad_update)
            grad_product[step, ..., : 2 * width] = grad_gates[step, ..., : 2 * width]
            torch.mul(grad_candidate, reset, out=grad_product[step, ..., 2 * width :])
            carried.mul_(update).add_(grad_hidden[step])
            carried.flatten(0, 1).addmm_(grad_product[step].flatten(0, 1), weight)
        rows = grad_product.flatten(0, 2)
        return grad_gates, rows.T @ hidden[:-1].flatten(0, 2), rows.sum(0)


class UtilityAgent(nn.Module):
    """The agent of QMIX: recurrent trunk and one linear layer to the utilities of all actions."""

    def __init__(self, obs_size: int, n_actions: int, n_agents: int, hidden_dim: int) -> None:
        super().__init__()
        self.trunk = RecurrentTrunk(obs_size, n_actions, n_agents, hidden_dim)
        self.utility_layer = nn.Linear(hidden_dim, n_actions)

    def step(
        self, obs: Tensor, last_actions: Tensor, hidden: Tensor, generator: torch.Generator, greedy: bool
    ) -> tuple[Tensor, Tensor]:
        """One decision: utilities (E*A, U) and next hidden state (E*A, H). Draws no noise."""
        hidden = self.trunk.step(obs, last_actions, hidden)
        return self.utility_layer(hidden), hidden

    def forward(self, obs: Tensor, actions: Tensor) -> Tensor:
        """Whole episodes: obs (B, T+1, A, O), actions (B, T, A) to utilities (T+1, B, A, U)."""
        utilities: Tensor = self.utility_layer(self.trunk(obs, actions)[1:])
        return utilities
