"""The recurrent part all agents share, and the agent of QMIX and its kin.

Whole episodes go through in one piece: only the GRU walks through time. GRU states come back time-major, in the order
in which the recurrence writes them; utilities are (B, T, A, U) again.
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

    @property
    def obs_weight(self) -> Tensor:
        """The columns of the input layer's weight that meet the observation, (H, O)."""
        return self.input_layer.weight[:, : self.obs_size]

    def embed(self, obs_product: Tensor, last_actions: Tensor) -> Tensor:
        """The input layer: its product with the observations (..., A, H) and last actions (..., A), -1 for none.

        One-hot action and index would only select columns of the weight, so these are looked up.
        """
        of_action, of_agent = self.input_layer.weight[:, self.obs_size :].T.tensor_split([self.n_actions])
        no_action_first = functional.pad(of_action, (0, 0, 1, 0))
        table = (of_agent + self.input_layer.bias).unsqueeze(1) + no_action_first  # (A, U + 1, H)
        agents = torch.arange(len(of_agent), device=last_actions.device)
        selected = functional.embedding(agents * (self.n_actions + 1) + last_actions + 1, table.flatten(0, 1))
        return (obs_product + selected).relu_()

    def step(self, obs_product: Tensor, last_actions: Tensor, hidden: Tensor) -> Tensor:
        """One decision: observations' product (E, A, H), last actions (E, A), hidden (E*A, H) to the next hidden."""
        next_hidden: Tensor = self.gru(self.embed(obs_product, last_actions).flatten(0, 1), hidden)
        return next_hidden

    def forward(self, obs_product: Tensor, actions: Tensor) -> Tensor:
        """Whole episodes: observations' product (B, T+1, A, H), actions (B, T, A) to GRU states (T+1, B, A, H)."""
        last_actions = functional.pad(actions, (0, 0, 1, 0), value=-1)
        inputs = self.embed(obs_product, last_actions).transpose(0, 1)
        gru = self.gru
        states: Tensor = GatedRecurrence.apply(inputs, gru.weight_ih, gru.weight_hh, gru.bias_ih, gru.bias_hh)
        return states


class GatedRecurrence(torch.autograd.Function):
    """A GRU over whole episodes from a zero state: inputs (T, B, A, H) to the states after each step (T, B, A, H).

    Gates in torch's order: reset r, update u, candidate c; h' = (1 - u) c + u h with c = tanh(x_c + r (W_c h + b_c)).
    Both products of a step and the backward pass are written out: a step's rows then stay in the processor's cache,
    and no gate of all steps is held that the backward pass does not read.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor
    ) -> Tensor:
        steps, batch, agents, width = inputs.shape
        rows = batch * agents
        kept = steps if any(ctx.needs_input_grad) else 1  # without gradients one slot of gates is enough
        hidden = inputs.new_empty(steps + 1, rows, width)  # entry t is the state before step t
        hidden[0] = 0
        reset_update = inputs.new_empty(kept, rows, 2 * width)
        candidate = inputs.new_empty(kept, rows, width)
        recurrent = inputs.new_empty(kept, rows, width)  # W_c h + b_c
        of_input, of_hidden = inputs.new_empty(2, rows, 3 * width).unbind()
        columns_ih, columns_hh = weight_ih.T, weight_hh.T
        for step in range(steps):
            slot = step % kept
            torch.addmm(bias_ih, inputs[step].flatten(0, 1), columns_ih, out=of_input)
            torch.addmm(bias_hh, hidden[step], columns_hh, out=of_hidden)
            torch.add(of_input[:, : 2 * width], of_hidden[:, : 2 * width], out=reset_update[slot]).sigmoid_()
            reset, update = reset_update[slot].split(width, dim=1)
            recurrent[slot] = of_hidden[:, 2 * width :]
            torch.addcmul(of_input[:, 2 * width :], reset, recurrent[slot], out=candidate[slot])
            # tanh x = 2 sigmoid(2 x) - 1: torch's vectorised sigmoid takes a sixth of the time of its tanh
            candidate[slot].mul_(2).sigmoid_().mul_(2).sub_(1)
            torch.lerp(candidate[slot], hidden[step], update, out=hidden[step + 1])
        ctx.save_for_backward(inputs, hidden, reset_update, candidate, recurrent, weight_ih, weight_hh)
        return hidden[1:].unflatten(1, (batch, agents))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor) -> tuple[Tensor, ...]:
        inputs, hidden, reset_update, candidate, recurrent, weight_ih, weight_hh = ctx.saved_tensors
        steps, rows, width = candidate.shape
        grad_inputs = torch.empty_like(inputs)
        grad_weight_ih, grad_weight_hh = torch.zeros_like(weight_ih), torch.zeros_like(weight_hh)
        of_input, of_hidden = hidden.new_empty(2, rows, 3 * width).unbind()  # gradients of the two products
        grad_reset, grad_update, grad_candidate = of_input.split(width, dim=1)
        sums = hidden.new_zeros(2, 3 * width)
        tanh_backward, sigmoid_backward = torch.ops.aten.tanh_backward, torch.ops.aten.sigmoid_backward
        carried = grad_states[-1].flatten(0, 1).clone()
        for step in reversed(range(steps)):
            reset, update = reset_update[step].split(width, dim=1)
            tanh_backward.grad_input(carried * (1 - update), candidate[step], grad_input=grad_candidate)
            sigmoid_backward.grad_input(grad_candidate * recurrent[step], reset, grad_input=grad_reset)
            difference = hidden[step] - candidate[step]
            sigmoid_backward.grad_input(difference.mul_(carried), update, grad_input=grad_update)
            of_hidden[:, : 2 * width] = of_input[:, : 2 * width]
            torch.mul(grad_candidate, reset, out=of_hidden[:, 2 * width :])

            if step > 0:
                torch.addmm(grad_states[step - 1].flatten(0, 1), of_hidden, weight_hh, out=difference)
                carried.mul_(update).add_(difference)
            grad_inputs[step] = (of_input @ weight_ih).view(inputs.shape[1:])
            grad_weight_ih.addmm_(of_input.T, inputs[step].flatten(0, 1))
            grad_weight_hh.addmm_(of_hidden.T, hidden[step])
            sums[0] += of_input.sum(0)
            sums[1] += of_hidden.sum(0)
        return grad_inputs, grad_weight_ih, grad_weight_hh, sums[0], sums[1]


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
        hidden = self.trunk.step(functional.linear(obs, self.trunk.obs_weight), last_actions, hidden)
        return self.utility_layer(hidden), hidden

    def forward(self, obs: Tensor, actions: Tensor) -> Tensor:
        """Whole episodes: obs (B, T+1, A, O), actions (B, T, A) to utilities (B, T+1, A, U)."""
        states = self.trunk(functional.linear(obs, self.trunk.obs_weight), actions)
        utilities: Tensor = self.utility_layer(states).transpose(0, 1)
        return utilities
