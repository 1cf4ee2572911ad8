"""The recurrent part all agents share, and the agent of QMIX and its kin.

Whole episodes go through in one piece, as R rows: those of each time together, and of the episodes that go on always
the first (roma.learners.batch.PackedBatch). Only the GRU walks through time.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from roma.nets.linear import joint_linear


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

    def forward(self, obs_product: Tensor, last_actions: Tensor, counts: Sequence[int]) -> Tensor:
        """Observations' product (R, A, H), last actions (R, A), rows of each time to GRU states (R, A, H)."""
        inputs, gru = self.embed(obs_product, last_actions), self.gru
        states: Tensor = GatedRecurrence.apply(inputs, counts, gru.weight_ih, gru.weight_hh, gru.bias_ih, gru.bias_hh)
        return states


class GatedRecurrence(torch.autograd.Function):
    """A GRU over whole episodes from a zero state: inputs (R, A, H) to the states after each step (R, A, H).

    `counts`, never rising, says how many rows belong to each time; a row's state goes on to the row at its place among
    those of the next time. Gates in torch's order: reset r, update u, candidate c; h' = (1 - u) c + u h with
    c = tanh(x_c + r y) and y = W_c h + b_c. Forward and backward are written out: the inputs of all steps take one
    product, a step writes its gates over what came of its inputs, in rows that stay in the processor's cache, and
    nothing is kept that the backward pass does not read.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        counts: Sequence[int],
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
    ) -> Tensor:
        _, agents, width = inputs.shape
        sizes, gates, inputs = [count * agents for count in counts], 2 * width, inputs.flatten(0, 1)
        by_hidden = inputs.new_empty(len(inputs), 3 * width)  # r, u, y
        both = by_hidden[:, :gates]
        torch.addmm(bias_ih[:gates] + bias_hh[:gates], inputs, weight_ih[:gates].T, out=both)
        by_hidden[:, gates:] = bias_hh[gates:]
        # tanh x = 2 sigmoid(2 x) - 1: torch's sigmoid takes a sixth of the time of its tanh
        candidates = torch.addmm(2 * bias_ih[gates:], inputs, 2 * weight_ih[gates:].T)
        states = torch.empty_like(candidates)

        before, columns, minus_one = inputs.new_zeros(sizes[0], width), weight_hh.T, inputs.new_tensor(-1.0)
        per_step = [
            whole.split(sizes) for whole in (by_hidden, both, *by_hidden.split(width, dim=1), candidates, states)
        ]
        for of_step, of_gates, reset, update, recurrent, candidate, after in zip(*per_step, strict=True):
            before = before[: len(after)]
            of_step.addmm_(before, columns)
            of_gates.sigmoid_()
            candidate.addcmul_(reset, recurrent, value=2).sigmoid_()
            torch.add(minus_one, candidate, alpha=2, out=candidate)
            before = torch.lerp(candidate, before, update, out=after)
        states = states.unflatten(0, (-1, agents))
        ctx.save_for_backward(inputs, by_hidden, candidates, states, weight_ih, weight_hh)
        ctx.sizes = sizes
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor) -> tuple[Tensor | None, ...]:
        inputs, by_hidden, candidates, states, weight_ih, weight_hh = ctx.saved_tensors
        sizes, (_, agents, width) = ctx.sizes, grad_states.shape
        states, grad_states = states.flatten(0, 1), grad_states.reshape(-1, width)
        weight_hidden = weight_hh.roll(width, 0)  # y, r, u, as below
        grad_inputs = torch.empty_like(inputs)
        grad_weight_input, grad_weight_hidden = torch.zeros_like(weight_ih), torch.zeros_like(weight_hh)
        grad_bias = inputs.new_zeros(4 * width)

        # of a step: gradients of y, and of r, u, c before their activations
        products, ones = inputs.new_empty(sizes[0], 4 * width), inputs.new_ones(sizes[0])
        carried, scratch = inputs.new_zeros(2, sizes[0], width).unbind()
        tanh_backward = torch.ops.aten.tanh_backward.grad_input
        sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
        befores = [
            carried.clone(),
            *(after[:size] for after, size in zip(states.split(sizes), sizes[1:], strict=False)),
        ]
        per_step = [
            whole.split(sizes)
            for whole in (inputs, grad_inputs, grad_states, candidates, *by_hidden.split(width, dim=1))
        ]
        size = 0
        for before, seen, grad_input, grad_state, candidate, reset, update, recurrent in reversed(
            list(zip(befores, *per_step, strict=True))
        ):
            if len(seen) != size:  # episodes that end here join; nothing is carried to them
                size = len(seen)
                of_step, of_state, spare, summed = products[:size], carried[:size], scratch[:size], ones[:size]
                of_recurrent, of_reset, of_update, of_candidate = of_step.split(width, dim=1)
                by_recurrence, by_input = of_step[:, : 3 * width], of_step[:, width:]
            of_state.add_(grad_state)
            torch.sub(before, candidate, out=spare).mul_(of_state)
            sigmoid_backward(spare, update, grad_input=of_update)
            torch.mul(of_state, update, out=spare)
            tanh_backward(of_state.sub_(spare), candidate, grad_input=of_candidate)
            sigmoid_backward(torch.mul(of_candidate, recurrent, out=of_state), reset, grad_input=of_reset)
            torch.mul(of_candidate, reset, out=of_recurrent)

            torch.mm(by_input, weight_ih, out=grad_input)
            torch.addmm(spare, by_recurrence, weight_hidden, out=of_state)
            grad_weight_input.addmm_(by_input.T, seen)
            grad_weight_hidden.addmm_(by_recurrence.T, before)
            grad_bias.addmv_(of_step.T, summed)
        return (
            grad_inputs.unflatten(0, (-1, agents)),
            None,
            grad_weight_input,
            grad_weight_hidden.roll(-width, 0),
            grad_bias[width:],
            grad_bias[: 3 * width].roll(-width),
        )


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
        hidden = self.trunk.step(joint_linear(obs, self.trunk.obs_weight)[0], last_actions, hidden)
        return self.utility_layer(hidden), hidden

    def forward(self, obs: Tensor, last_actions: Tensor, counts: Sequence[int]) -> Tensor:
        """Whole episodes: obs (R, A, O), last actions (R, A), rows of each time to utilities (R, A, U)."""
        utilities: Tensor = self.utility_layer(self.states(obs, last_actions, counts))
        return utilities

    def states(self, obs: Tensor, last_actions: Tensor, counts: Sequence[int]) -> Tensor:
        """Likewise, to the GRU states after each step (R, A, H)."""
        states: Tensor = self.trunk(joint_linear(obs, self.trunk.obs_weight)[0], last_actions, counts)
        return states
