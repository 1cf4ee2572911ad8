"""The recurrent part all agents share, and the agent of QMIX and its kin.

Whole episodes go through in one piece: only the GRU walks through time. GRU states come back time-major, in the order
in which the recurrence writes them; utilities are (B, T, A, U) again.
"""

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
    Forward and backward are written out: input and state of a step lie side by side, so that both gates take one
    product, a step's rows stay in the processor's cache, and nothing is kept that the backward pass does not read.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor
    ) -> Tensor:
        steps, batch, agents, width = inputs.shape
        rows, gates = batch * agents, 2 * width
        joint = inputs.new_empty(steps + 1, rows, 2 * width)  # entry t: input of step t, state before it
        joint[:-1, :, :width].unflatten(1, (batch, agents)).copy_(inputs)
        joint[0, :, width:] = 0
        kept = steps if any(ctx.needs_input_grad) else 1  # without gradients one slot is enough
        both_gates = inputs.new_empty(kept, rows, gates).unbind()
        candidates = inputs.new_empty(kept, rows, width).unbind()
        recurrents = inputs.new_empty(kept, rows, width).unbind()  # W_c h + b_c

        gate_weight = torch.cat([weight_ih[:gates], weight_hh[:gates]], dim=1)
        gate_bias, gate_columns = bias_ih[:gates] + bias_hh[:gates], gate_weight.T
        # tanh x = 2 sigmoid(2 x) - 1: torch's sigmoid takes a sixth of the time of its tanh
        input_bias, input_columns = 2 * bias_ih[gates:], (2 * weight_ih[gates:]).T
        hidden_bias, hidden_columns = bias_hh[gates:], weight_hh[gates:].T
        minus_one = inputs.new_tensor(-1.0)
        of_step, before = joint.unbind(), joint[..., width:].unbind()
        for step, seen in enumerate(joint[:-1, :, :width].unbind()):
            slot = step % kept
            both, candidate, recurrent = both_gates[slot], candidates[slot], recurrents[slot]
            torch.addmm(gate_bias, of_step[step], gate_columns, out=both).sigmoid_()
            reset, update = both.split(width, dim=1)
            torch.addmm(hidden_bias, before[step], hidden_columns, out=recurrent)
            torch.addmm(input_bias, seen, input_columns, out=candidate).addcmul_(reset, recurrent, value=2).sigmoid_()
            torch.add(minus_one, candidate, alpha=2, out=candidate)
            torch.lerp(candidate, before[step], update, out=before[step + 1])
        ctx.save_for_backward(joint, weight_ih, weight_hh, gate_weight)
        ctx.slots = both_gates, candidates, recurrents
        return joint[1:, :, width:].unflatten(1, (batch, agents))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor) -> tuple[Tensor, ...]:
        joint, weight_ih, weight_hh, gate_weight = ctx.saved_tensors
        steps, batch, agents, width = grad_states.shape
        rows, gates = batch * agents, 2 * width
        grad_inputs = joint.new_empty(steps, batch, agents, width)
        weight_input, weight_hidden = weight_ih[gates:], weight_hh[gates:]
        grad_gate_weight = torch.zeros_like(gate_weight)
        grad_weight_input, grad_weight_hidden = torch.zeros_like(weight_input), torch.zeros_like(weight_hidden)
        grad_bias = joint.new_zeros(4 * width)

        # gradients of r, u, c before their activations and of W_c h + b_c; then of input and state side by side
        products = joint.new_empty(rows, 4 * width)
        of_gates, (of_reset, of_update, of_candidate, of_recurrent) = products[:, :gates], products.split(width, dim=1)
        of_joint = joint.new_empty(rows, 2 * width)
        of_input, of_state = of_joint.split(width, dim=1)
        scratch, ones = joint.new_empty(rows, width), joint.new_ones(rows)
        tanh_backward = torch.ops.aten.tanh_backward.grad_input
        sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
        carried = grad_states[-1].reshape(rows, width).clone()
        for step, (of_step, both, candidate, recurrent) in reversed(
            list(enumerate(zip(joint[:-1].unbind(), *ctx.slots, strict=True)))
        ):
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
            grad_inputs[step] = of_input.unflatten(0, (batch, agents))
            if step > 0:
                torch.add(of_state, scratch, out=carried).add_(grad_states[step - 1].reshape(rows, width))
            grad_gate_weight.addmm_(of_gates.T, of_step)
            grad_weight_input.addmm_(of_candidate.T, seen)
            grad_weight_hidden.addmm_(of_recurrent.T, before)
            grad_bias.addmv_(products.T, ones)
        of_both, of_third, of_fourth = grad_bias.split([gates, width, width])
        return (
            grad_inputs,
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

    def forward(self, obs: Tensor, actions: Tensor) -> Tensor:
        """Whole episodes: obs (B, T+1, A, O), actions (B, T, A) to utilities (B, T+1, A, U)."""
        states = self.trunk(joint_linear(obs, self.trunk.obs_weight)[0], actions)
        utilities: Tensor = self.utility_layer(states).transpose(0, 1)
        return utilities
