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
    c = tanh(x_c + r (W_c h + b_c)). Forward and backward are written out: input and state of a step lie side by side,
    so that both gates take one product, a step's rows stay in the processor's cache, and nothing is kept that the
    backward pass does not read.
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
        sizes, gates = [count * agents for count in counts], 2 * width
        rows = sum(sizes)
        joint = inputs.new_empty(rows, 2 * width)  # input of a step, state before it
        joint[:, :width] = inputs.flatten(0, 1)
        joint[: sizes[0], width:] = 0
        states = inputs.new_empty(rows, width)
        keeps = any(ctx.needs_input_grad)

        def per_step(columns: int) -> Sequence[Tensor]:
            """A place to write to for each step; without gradients all steps share one."""
            if keeps:
                return inputs.new_empty(rows, columns).split(sizes)
            shared = inputs.new_empty(sizes[0], columns)
            return [shared[:size] for size in sizes]

        both_gates, candidates = per_step(gates), per_step(width)
        recurrents = per_step(width)  # W_c h + b_c
        gate_weight = torch.cat([weight_ih[:gates], weight_hh[:gates]], dim=1)
        gate_bias, gate_columns = bias_ih[:gates] + bias_hh[:gates], gate_weight.T
        # tanh x = 2 sigmoid(2 x) - 1: torch's sigmoid takes a sixth of the time of its tanh
        input_bias, input_columns = 2 * bias_ih[gates:], (2 * weight_ih[gates:]).T
        hidden_bias, hidden_columns = bias_hh[gates:], weight_hh[gates:].T
        minus_one = inputs.new_tensor(-1.0)
        of_step, before, after = joint.split(sizes), joint[:, width:].split(sizes), states.split(sizes)
        for step, seen in enumerate(joint[:, :width].split(sizes)):
            both, candidate, recurrent = both_gates[step], candidates[step], recurrents[step]
            reset, update = both.split(width, dim=1)
            torch.addmm(gate_bias, of_step[step], gate_columns, out=both).sigmoid_()
            torch.addmm(hidden_bias, before[step], hidden_columns, out=recurrent)
            torch.addmm(input_bias, seen, input_columns, out=candidate).addcmul_(reset, recurrent, value=2).sigmoid_()
            torch.add(minus_one, candidate, alpha=2, out=candidate)
            torch.lerp(candidate, before[step], update, out=after[step])
            if step + 1 < len(sizes):
                before[step + 1].copy_(after[step][: sizes[step + 1]])
        ctx.save_for_backward(joint, weight_ih, weight_hh, gate_weight)
        ctx.sizes, ctx.places = sizes, (both_gates, candidates, recurrents)
        return states.unflatten(0, (-1, agents))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor) -> tuple[Tensor | None, ...]:
        joint, weight_ih, weight_hh, gate_weight = ctx.saved_tensors
        sizes, (_, agents, width) = ctx.sizes, grad_states.shape
        gates = 2 * width
        grad_inputs = joint.new_empty(len(joint), width)
        weight_input, weight_hidden = weight_ih[gates:], weight_hh[gates:]
        grad_gate_weight = torch.zeros_like(gate_weight)
        grad_weight_input, grad_weight_hidden = torch.zeros_like(weight_input), torch.zeros_like(weight_hidden)
        grad_bias = joint.new_zeros(4 * width)

        # gradients of r, u, c before their activations and of W_c h + b_c; then of input and state side by side
        all_products, all_joint = joint.new_empty(sizes[0], 4 * width), joint.new_empty(sizes[0], 2 * width)
        all_carried, all_scratch = joint.new_zeros(sizes[0], width), joint.new_empty(sizes[0], width)
        all_ones = joint.new_ones(sizes[0])
        tanh_backward = torch.ops.aten.tanh_backward.grad_input
        sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
        per_step = [tensor.split(sizes) for tensor in (joint, grad_states.reshape(-1, width), grad_inputs)]
        size = 0
        for of_step, grad_state, grad_input, both, candidate, recurrent in reversed(
            list(zip(*per_step, *ctx.places, strict=True))
        ):
            if len(of_step) != size:  # episodes that end here join; nothing is carried to them
                size = len(of_step)
                products, of_joint, scratch, ones = (
                    whole[:size] for whole in (all_products, all_joint, all_scratch, all_ones)
                )
                carried = all_carried[:size]
                of_gates, (of_reset, of_update, of_candidate, of_recurrent) = (
                    products[:, :gates],
                    products.split(width, dim=1),
                )
                of_input, of_state = of_joint.split(width, dim=1)
            carried.add_(grad_state)
            seen, before = of_step.split(width, dim=1)
            reset, update = both.split(width, dim=1)
            torch.sub(before, candidate, out=scratch).mul_(carried)
            sigmoid_backward(scratch, update, grad_input=of_update)
            torch.mul(carried, update, out=scratch)
            tanh_backward(carried.sub_(scratch), candidate, grad_input=of_candidate)
            sigmoid_backward(torch.mul(of_candidate, recurrent, out=carried), reset, grad_input=of_reset)
            torch.mul(of_candidate, reset, out=of_recurrent)

            torch.mm(of_gates, gate_weight, out=of_joint)
            of_input.addmm_(of_candidate, weight_input)
            of_state.addmm_(of_recurrent, weight_hidden)
            grad_input.copy_(of_input)
            torch.add(of_state, scratch, out=carried)
            grad_gate_weight.addmm_(of_gates.T, of_step)
            grad_weight_input.addmm_(of_candidate.T, seen)
            grad_weight_hidden.addmm_(of_recurrent.T, before)
            grad_bias.addmv_(products.T, ones)
        of_both, of_third, of_fourth = grad_bias.split([gates, width, width])
        return (
            grad_inputs.unflatten(0, (-1, agents)),
            None,
            torch.cat([grad_gate_weight[:, :width], grad_weight_input]),
            torch.cat([grad_gate_weight[:, width:], grad_weight_hidden]),
            torch.cat([of_both, of_third]),
            torch.cat([of_both, of_fourth]),
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
        utilities: Tensor = self.utility_layer(
            self.trunk(joint_linear(obs, self.trunk.obs_weight)[0], last_actions, counts)
        )
        return utilities
