"""GRU over whole episodes with operations of torch, for any device and for agents with separate weights."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from roma.nets.ops.compilation import BLOCK


def blocks_of(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Yield groups of consecutive sizes whose sum is at most BLOCK; a larger size is a group of its own."""
    block: list[int] = []
    for size in sizes:
        if block and sum(block) + size > BLOCK:
            yield block
            block = []
        block.append(size)
    yield block


def reference(inputs: Tensor, counts: Sequence[int], *gru: Tensor) -> Tensor:
    """Return the result of `gated_recurrence` with shared weights, step by step."""
    hidden, states = torch.zeros_like(inputs[: counts[0]].flatten(0, 1)), []
    for of_time in inputs.split(list(counts)):
        hidden = torch.gru_cell(of_time.flatten(0, 1), hidden[: of_time.shape[:2].numel()], *gru)
        states.append(hidden.unflatten(0, of_time.shape[:2]))
    return torch.cat(states)


def gated_recurrence(inputs: Tensor, counts: Sequence[int], *gru: Tensor) -> Tensor:
    """Return the states of a GRU after each step, from zero.

    Args:
        inputs: (R, A, H).
        counts: Number of rows of each time, never rising. Row k of a time continues in row k of the next time.
        gru: Weights (3H, H) of input and state, then biases (3H,) of both, in torch's order of gates; (A, 3H, H) and
            (A, 3H) if each agent has its own.

    Returns:
        States (R, A, H).
    """
    states: Tensor = GatedRecurrence.apply(inputs, counts, *gru)
    return states


class GatedRecurrence(torch.autograd.Function):
    """Autograd function of `gated_recurrence`. Products are batched over agents if these have separate weights.

    Gates: reset r, update u, candidate c; h' = (1 - u) c + u h with c = tanh(x_c + r y) and y = W_c h + b_c. One
    product computes the inputs of a block of steps. A step overwrites it with its gates, in rows that stay in the
    processor's cache. Only values that the backward pass reads are kept.
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
        # tanh x = 2 sigmoid(2 x) - 1, because torch's sigmoid takes a sixth of the time of its tanh.
        bias_candidate, columns_candidate = 2 * of_input[..., gates:], (2 * weight_ih[..., gates:, :]).mT.contiguous()
        bias_gates, columns_gates = (of_input + of_hidden)[..., :gates], weight_ih[..., :gates, :].mT.contiguous()
        bias_recurrent, columns = of_hidden[..., gates:], weight_hh.mT.contiguous()  # contiguous: products are faster

        blocks = list(blocks_of(sizes))
        rows_of_blocks = [sum(block) for block in blocks]

        def memory(columns: int) -> tuple[Tensor, Sequence[Tensor]]:
            """Return memory for all blocks; without a backward pass, all blocks share the memory of one."""
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

        # Gradients of one step: of y, and of r, u, c before their activations.
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
            if seen.shape[-2] != size:  # episodes that end at this step begin here with zero gradient
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
