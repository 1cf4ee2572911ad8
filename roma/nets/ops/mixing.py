"""Monotonic mixing: the operations of QMIX's mixer after the products of the state, in one pass over the rows."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from roma.nets.ops.compilation import arrays, exp, summing


def reference(utilities: Tensor, of_state: Tensor, weight: Tensor, bias: Tensor, elu: bool) -> Tensor:
    """Return the result of `monotonic_mixing`, by forming all products."""
    agents, width = utilities.shape[1], len(weight)
    first, final, shift, value = of_state.split([agents * width, width, width, width], dim=1)
    hidden = (utilities.unsqueeze(2) * first.abs().unflatten(1, (agents, width))).sum(1) + shift
    hidden = functional.elu(hidden) if elu else hidden.relu()
    return (hidden * final.abs()).sum(1) + value.relu() @ weight + bias


def monotonic_mixing(utilities: Tensor, of_state: Tensor, weight: Tensor, bias: Tensor, elu: bool) -> Tensor:
    """Return |w2| . f(|W1| q + b1) + weight . relu(v) + bias of each row (R,), with E units in the hidden layers.

    Args:
        utilities: q, (R, A).
        of_state: W1 (agent by agent), w2, b1 and v, concatenated, (R, A * E + 3 * E).
        weight: Weight of v's output (E,).
        bias: Bias of v's output (1,).
        elu: f is the ELU; otherwise the ReLU.
    """
    if utilities.device.type != "cpu":
        return reference(utilities, of_state, weight, bias, elu)
    mixed: Tensor = MonotonicMixing.apply(utilities, of_state, weight, bias, elu)
    return mixed


class MonotonicMixing(torch.autograd.Function):
    """Autograd function of `monotonic_mixing` on the CPU."""

    @staticmethod
    def forward(ctx: Any, utilities: Tensor, of_state: Tensor, weight: Tensor, bias: Tensor, elu: bool) -> Tensor:
        hidden, mixed = utilities.new_empty(len(utilities), len(weight)), utilities.new_empty(len(utilities))
        mix(*arrays(utilities, of_state, weight, bias), elu, *arrays(hidden, mixed))
        ctx.save_for_backward(utilities, of_state, weight, hidden)
        ctx.elu = elu
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        utilities, of_state, weight, hidden = ctx.saved_tensors
        grad_utilities, grad_of_state = utilities.new_empty(utilities.shape), of_state.new_empty(of_state.shape)
        grad_weight = torch.zeros_like(weight)
        mix_backward(
            *arrays(utilities, of_state, weight, hidden),
            ctx.elu,
            *arrays(grad, grad_utilities, grad_of_state, grad_weight),
        )
        return grad_utilities, grad_of_state, grad_weight, grad.sum().view(1), None


@summing
def mix(utilities, of_state, weight, bias, elu, hidden, mixed):
    """Write the hidden layer before its activation (R, E) and the values (R,)."""
    agents, width = utilities.shape[1], len(weight)
    zero, one = weight.dtype.type(0), weight.dtype.type(1)
    for r in range(len(mixed)):
        units, total = hidden[r], bias[0]
        of_rest = of_state[r, agents * width :]
        final, shift, value = of_rest[:width], of_rest[width : 2 * width], of_rest[2 * width :]
        for e in range(width):
            units[e] = shift[e]
        for i in range(agents):
            utility, first = utilities[r, i], of_state[r, i * width : (i + 1) * width]
            for e in range(width):
                units[e] += utility * abs(first[e])
        for e in range(width):
            below = exp(units[e]) - one if elu else zero
            total += (below if units[e] <= zero else units[e]) * abs(final[e])
        for e in range(width):
            total += (zero if value[e] < zero else value[e]) * weight[e]
        mixed[r] = total


@summing
def mix_backward(utilities, of_state, weight, hidden, elu, grad, grad_utilities, grad_of_state, grad_weight):
    """Write the gradients of utilities and state, and add to that of the weight. |x| has slope 0 at 0."""
    agents, width = utilities.shape[1], len(weight)
    zero, one = weight.dtype.type(0), weight.dtype.type(1)
    for r in range(len(grad)):
        units, scale = hidden[r], grad[r]
        of_rest, grad_of_rest = of_state[r, agents * width :], grad_of_state[r, agents * width :]
        final, value = of_rest[:width], of_rest[2 * width :]
        of_final, of_units, of_value = (
            grad_of_rest[:width],
            grad_of_rest[width : 2 * width],
            grad_of_rest[2 * width :],
        )
        for e in range(width):
            power = exp(units[e]) if elu else zero
            active = power - one if elu else zero
            of_final[e] = scale * (active if units[e] <= zero else units[e])
            of_units[e] = scale * abs(final[e]) * (power if units[e] <= zero else one)
        for e in range(width):
            of_final[e] = of_final[e] if final[e] > zero else -of_final[e] if final[e] < zero else zero
        for e in range(width):
            of_value[e] = zero if value[e] <= zero else scale * weight[e]
            grad_weight[e] += zero if value[e] <= zero else scale * value[e]
        for i in range(agents):
            utility, first = utilities[r, i], of_state[r, i * width : (i + 1) * width]
            of_first, total = grad_of_state[r, i * width : (i + 1) * width], zero
            for e in range(width):
                total += of_units[e] * abs(first[e])
            for e in range(width):
                each = of_units[e] * utility
                of_first[e] = each if first[e] > zero else -each if first[e] < zero else zero
            grad_utilities[r, i] = total
