"""The recurrent part all agents share, and the agent of QMIX and its kin.

Whole episodes go through in one piece, as R rows: those of each time together, and of the episodes that go on always
the first (roma.learners.batch.PackedBatch). Only the GRU walks through time.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from roma.nets.linear import AgentLinear, joint_linear

BLOCK = 1024  # rows whose products stay in the processor's cache


def looked_up(weight: Tensor, bias: Tensor, last_actions: Tensor) -> Tensor:
    """A linear layer on one-hot last action and one-hot index: last actions (..., A), -1 for none, to (..., A, K).

    One-hot inputs only select columns of the weight, (K, U + A), or (A, K, U + A) where each agent has its own.
    """
    n_agents = last_actions.shape[-1]
    of_action, of_agent = weight.mT.split([weight.shape[-1] - n_agents, n_agents], dim=-2)
    if weight.dim() == 3:
        of_agent = of_agent.diagonal().T  # agent i's weight meets index i only
    no_action_first = functional.pad(of_action, (0, 0, 1, 0))
    table = (of_agent + bias).unsqueeze(1) + no_action_first  # (A, U + 1, K)
    agents = torch.arange(n_agents, device=last_actions.device)
    return functional.embedding(agents * table.shape[1] + last_actions + 1, table.flatten(0, 1))


class RecurrentTrunk(nn.Module):
    """Input layer with ReLU, then a GRU, over what agent i knows: o_i, its last action, its index (appendix B.1).

    The agents have one set of weights, or each its own (`shared` False), in tensors with a leading dimension A.
    """

    def __init__(self, obs_size: int, n_actions: int, n_agents: int, hidden_dim: int, shared: bool = True) -> None:
        super().__init__()
        in_size = obs_size + n_actions + n_agents
        self.obs_size, self.shared = obs_size, shared
        self.input_layer = nn.Linear(in_size, hidden_dim) if shared else AgentLinear(n_agents, in_size, hidden_dim)
        self.gru = nn.GRUCell(hidden_dim, hidden_dim) if shared else AgentGRUCell(n_agents, hidden_dim)

    @property
    def obs_weight(self) -> Tensor:
        """The columns of the input layer's weight that meet the observation, (H, O) or (A, H, O)."""
        return self.input_layer.weight[..., : self.obs_size]

    def obs_product(self, obs: Tensor) -> Tensor:
        """The input layer's product with the observations, (N, A, O) to (N, A, H)."""
        if self.shared:
            return joint_linear(obs, self.obs_weight)[0]
        return torch.bmm(obs.transpose(0, 1), self.obs_weight.mT).transpose(0, 1)

    def embed(self, obs_product: Tensor, last_actions: Tensor) -> Tensor:
        """The input layer: its product with the observations (..., A, H) and last actions (..., A), -1 for none."""
        weight = self.input_layer.weight[..., self.obs_size :]
        return looked_up(weight, self.input_layer.bias, last_actions).add_(obs_product).relu_()

    def step(self, obs_product: Tensor, last_actions: Tensor, hidden: Tensor) -> Tensor:
        """One decision: observations' product (E, A, H), last actions (E, A), hidden (E*A, H) to the next hidden."""
        next_hidden: Tensor = self.gru(self.embed(obs_product, last_actions).flatten(0, 1), hidden)
        return next_hidden

    def forward(self, obs_product: Tensor, last_actions: Tensor, counts: Sequence[int]) -> Tensor:
        """Observations' product (R, A, H), last actions (R, A), rows of each time to GRU states (R, A, H)."""
        inputs, gru = self.embed(obs_product, last_actions), self.gru
        states: Tensor = GatedRecurrence.apply(inputs, counts, gru.weight_ih, gru.weight_hh, gru.bias_ih, gru.bias_hh)
        return states


class AgentGRUCell(nn.Module):
    """A GRU cell of each agent's own, all of them in one batched product; initialised as nn.GRUCell is."""

    def __init__(self, n_agents: int, hidden_dim: int) -> None:
        super().__init__()
        bound, gates = hidden_dim**-0.5, 3 * hidden_dim
        self.weight_ih = nn.Parameter(torch.empty(n_agents, gates, hidden_dim).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(n_agents, gates, hidden_dim).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(n_agents, gates).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(n_agents, gates).uniform_(-bound, bound))

    def forward(self, inputs: Tensor, hidden: Tensor) -> Tensor:
        """Inputs and hidden state (N*A, H), agent by agent within each of N, to the next hidden state (N*A, H)."""
        agents, _, width = self.weight_ih.shape
        inputs, hidden = (each.unflatten(0, (-1, agents)).transpose(0, 1) for each in (inputs, hidden))
        of_input = torch.baddbmm(self.bias_ih.unsqueeze(1), inputs, self.weight_ih.mT)
        of_hidden = torch.baddbmm(self.bias_hh.unsqueeze(1), hidden, self.weight_hh.mT)
        reset, update = (of_input + of_hidden)[..., : 2 * width].sigmoid().chunk(2, dim=-1)
        candidate = (of_input[..., 2 * width :] + reset * of_hidden[..., 2 * width :]).tanh()
        return torch.lerp(candidate, hidden, update).transpose(0, 1).flatten(0, 1)


def blocks_of(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Consecutive sizes in groups of at least one, of at most BLOCK together where they are smaller."""
    block: list[int] = []
    for size in sizes:
        if block and sum(block) + size > BLOCK:
            yield block
            block = []
        block.append(size)
    yield block


class GatedRecurrence(torch.autograd.Function):
    """A GRU over whole episodes from a zero state: inputs (R, A, H) to the states after each step (R, A, H).

    Weights (3H, H) and biases (3H,) serve all agents; where each has its own, (A, 3H, H) and (A, 3H), the rows are laid
    out agent by agent and every product below is a batched one. `counts`, never rising, says how many rows belong to
    each time; a row's state goes on to the row at its place among those of the next time. Gates in torch's order: reset
    r, update u, candidate c; h' = (1 - u) c + u h with c = tanh(x_c + r y) and y = W_c h + b_c. Forward and backward
    are written out: the inputs of a block of steps take one product, a step writes its gates over what came of its
    inputs, in rows that stay in the processor's cache, and nothing is kept that the backward pass does not read.
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
        separate, gates = weight_ih.dim() == 3, 2 * width
        addmm = torch.baddbmm if separate else torch.addmm
        sizes = list(counts) if separate else [count * agents for count in counts]
        inputs = inputs.transpose(0, 1).contiguous() if separate else inputs.flatten(0, 1)
        of_input, of_hidden = bias_ih.unsqueeze(-2), bias_hh.unsqueeze(-2)
        # tanh x = 2 sigmoid(2 x) - 1: torch's sigmoid takes a sixth of the time of its tanh
        bias_candidate, columns_candidate = 2 * of_input[..., gates:], (2 * weight_ih[..., gates:, :]).mT.contiguous()
        bias_gates, columns_gates = (of_input + of_hidden)[..., :gates], weight_ih[..., :gates, :].mT.contiguous()
        bias_recurrent, columns = of_hidden[..., gates:], weight_hh.mT.contiguous()  # products are faster so

        blocks = list(blocks_of(sizes))
        rows_of_blocks = [sum(block) for block in blocks]

        def memory(columns: int) -> tuple[Tensor, Sequence[Tensor]]:
            """For every block, or, where no backward pass will read it, one for all."""
            rows = inputs.shape[-2] if any(ctx.needs_input_grad) else max(rows_of_blocks)
            whole = inputs.new_empty(*inputs.shape[:-2], rows, columns)
            if rows == inputs.shape[-2]:
                return whole, whole.split(rows_of_blocks, dim=-2)
            return whole, [whole.narrow(-2, 0, rows) for rows in rows_of_blocks]

        by_hidden, by_hidden_of_blocks = memory(3 * width)  # r, u, y
        candidates, candidates_of_blocks = memory(width)
        states = torch.empty_like(inputs)
        before, minus_one = torch.zeros_like(states[..., : sizes[0], :]), inputs.new_tensor(-1.0)
        seen_and_states = (each.split(rows_of_blocks, dim=-2) for each in (inputs, states))
        for block, seen, of_states, of_steps, of_candidates in zip(
            blocks, *seen_and_states, by_hidden_of_blocks, candidates_of_blocks, strict=True
        ):
            both = of_steps[..., :gates]
            addmm(bias_gates, seen, columns_gates, out=both)
            of_steps[..., gates:] = bias_recurrent
            addmm(bias_candidate, seen, columns_candidate, out=of_candidates)
            per_step = (of_steps, both, *of_steps.split(width, -1), of_candidates, of_states)
            for of_step, of_gates, reset, update, recurrent, candidate, after in zip(
                *(each.split(block, dim=-2) for each in per_step), strict=True
            ):
                before = before.narrow(-2, 0, after.shape[-2])
                addmm(of_step, before, columns, out=of_step)
                of_gates.sigmoid_()
                candidate.addcmul_(reset, recurrent, value=2).sigmoid_()
                torch.add(minus_one, candidate, alpha=2, out=candidate)
                before = torch.lerp(candidate, before, update, out=after)
        states = states.transpose(0, 1) if separate else states.unflatten(0, (-1, agents))
        ctx.save_for_backward(inputs, by_hidden, candidates, states, weight_ih, weight_hh)
        ctx.sizes = sizes
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor) -> tuple[Tensor | None, ...]:
        inputs, by_hidden, candidates, states, weight_ih, weight_hh = ctx.saved_tensors
        sizes, (_, agents, width), separate = ctx.sizes, grad_states.shape, weight_ih.dim() == 3
        addmm, mm = (torch.baddbmm, torch.bmm) if separate else (torch.addmm, torch.mm)
        states, grad_states = (
            each.transpose(0, 1) if separate else each.reshape(-1, width) for each in (states, grad_states)
        )
        weight_hidden = weight_hh.roll(width, -2)  # y, r, u, as below
        grad_inputs = torch.empty_like(inputs)
        grad_weight_input, grad_weight_hidden = torch.zeros_like(weight_ih), torch.zeros_like(weight_hh)
        grad_bias = inputs.new_zeros(*weight_ih.shape[:-2], 4 * width, 1)

        # of a step: gradients of y, and of r, u, c before their activations
        products = inputs.new_empty(*inputs.shape[:-2], sizes[0], 4 * width)
        ones = torch.ones_like(products[..., :1])
        carried, scratch = (torch.zeros_like(products[..., :width]) for _ in range(2))
        tanh_backward = torch.ops.aten.tanh_backward.grad_input
        sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
        afters = zip(states.split(sizes, dim=-2), sizes[1:], strict=False)
        befores = [carried.clone(), *(after.narrow(-2, 0, size) for after, size in afters)]
        per_step = [
            whole.split(sizes, dim=-2)
            for whole in (inputs, grad_inputs, grad_states, candidates, *by_hidden.split(width, -1))
        ]
        size = 0
        for before, seen, grad_input, grad_state, candidate, reset, update, recurrent in reversed(
            list(zip(befores, *per_step, strict=True))
        ):
            if seen.shape[-2] != size:  # episodes that end here join; nothing is carried to them
                size = seen.shape[-2]
                of_step, of_state, spare, summed = (
                    whole.narrow(-2, 0, size) for whole in (products, carried, scratch, ones)
                )
                of_recurrent, of_reset, of_update, of_candidate = of_step.split(width, -1)
                by_recurrence, by_input = of_step[..., : 3 * width], of_step[..., width:]
            of_state.add_(grad_state)
            torch.sub(before, candidate, out=spare).mul_(of_state)
            sigmoid_backward(spare, update, grad_input=of_update)
            torch.mul(of_state, update, out=spare)
            tanh_backward(of_state.sub_(spare), candidate, grad_input=of_candidate)
            sigmoid_backward(torch.mul(of_candidate, recurrent, out=of_state), reset, grad_input=of_reset)
            torch.mul(of_candidate, reset, out=of_recurrent)

            mm(by_input, weight_ih, out=grad_input)
            addmm(spare, by_recurrence, weight_hidden, out=of_state)
            addmm(grad_weight_input, by_input.mT, seen, out=grad_weight_input)
            addmm(grad_weight_hidden, by_recurrence.mT, before, out=grad_weight_hidden)
            addmm(grad_bias, of_step.mT, summed, out=grad_bias)
        grad_bias = grad_bias.squeeze(-1)
        return (
            grad_inputs.transpose(0, 1) if separate else grad_inputs.unflatten(0, (-1, agents)),
            None,
            grad_weight_input,
            grad_weight_hidden.roll(-width, -2),
            grad_bias[..., width:],
            grad_bias[..., : 3 * width].roll(-width, -1),
        )


class UtilityAgent(nn.Module):
    """The agent of QMIX: recurrent trunk and one linear layer to the utilities of all actions.

    `further_layers` are the widths of layers with ReLU between the two (QMIX-LAR); `shared` as in the trunk (QMIX-NPS).
    """

    role_dim = 0

    def __init__(
        self,
        obs_size: int,
        n_actions: int,
        n_agents: int,
        hidden_dim: int,
        further_layers: Sequence[int] = (),
        shared: bool = True,
    ) -> None:
        super().__init__()
        linear: Callable[[int, int], nn.Module] = nn.Linear if shared else partial(AgentLinear, n_agents)
        widths = [hidden_dim, *further_layers]
        self.n_agents = n_agents
        self.trunk = RecurrentTrunk(obs_size, n_actions, n_agents, hidden_dim, shared)
        self.further_layers = nn.Sequential(
            *(module for pair in pairwise(widths) for module in (linear(*pair), nn.ReLU()))
        )
        self.utility_layer = linear(widths[-1], n_actions)

    def step(self, obs: Tensor, last_actions: Tensor, hidden: Tensor, role_noise: Tensor) -> tuple[Tensor, Tensor]:
        """One decision: utilities (E*A, U) and next hidden state (E*A, H). Takes no noise, (E, A, 0)."""
        hidden = self.trunk.step(self.trunk.obs_product(obs), last_actions, hidden)
        return self.utilities(hidden.unflatten(0, (-1, self.n_agents))).flatten(0, 1), hidden

    def utilities(self, states: Tensor) -> Tensor:
        """What follows the GRU: its states (N, A, H) to the utilities of all actions (N, A, U)."""
        utilities: Tensor = self.utility_layer(self.further_layers(states))
        return utilities

    def forward(self, obs: Tensor, last_actions: Tensor, counts: Sequence[int]) -> Tensor:
        """Whole episodes: obs (R, A, O), last actions (R, A), rows of each time to utilities (R, A, U)."""
        return self.utilities(self.states(obs, last_actions, counts))

    def states(self, obs: Tensor, last_actions: Tensor, counts: Sequence[int]) -> Tensor:
        """Likewise, to the GRU states after each step (R, A, H)."""
        states: Tensor = self.trunk(self.trunk.obs_product(obs), last_actions, counts)
        return states
