"""Utilities from a last layer that is generated for each row and is linear in the K hidden units of a role decoder.

A utility is the sum over units of unit * (that unit's own layer on h), so that no row's weight matrix is formed.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from roma.nets.ops.compilation import BLOCK, arrays, compiled, summing

ROWS = 256  # rows in a block; the terms of all their actions stay in the processor's cache


def reference(units: Tensor, states: Tensor, generators: Tensor) -> Tensor:
    """Return the result of `generated_utilities`, by forming each row's layer."""
    layers = torch.einsum("huk,nk->nhu", generators[..., :-1], units) + generators[..., -1]
    return torch.einsum("nh,nhu->nu", states, layers[:, :-1]) + layers[:, -1]


@torch.no_grad()
def generated_utilities(units: Tensor, states: Tensor, generators: Tensor) -> Tensor:
    """Return the utilities of all actions, without gradient.

    Args:
        units: Hidden units of the role decoder (N, K).
        states: GRU states (N, H).
        generators: Each unit's term of the layer, and last the constant term, (H + 1, U, K + 1); row H is the bias.

    Returns:
        Utilities (N, U).
    """
    if states.device.type != "cpu":
        return utilities_by_torch(units, states, generators)
    n_actions = generators.shape[1]
    utilities = states.new_empty(len(states), n_actions)
    layers = generators.permute(2, 1, 0)  # (K + 1, U, H + 1)
    add_up(*arrays(units, states, layers[..., :-1].flatten(0, 1), layers[..., -1], utilities))
    return utilities


@torch.no_grad()
def utilities_by_torch(units: Tensor, states: Tensor, generators: Tensor) -> Tensor:
    """Return the result of `generated_utilities` with operations of torch, on any device."""
    n_actions, rows = generators.shape[1], generators.permute(2, 1, 0).flatten(0, 1)
    weight, bias = rows[:, :-1], rows[:, -1:]
    utilities = states.new_empty(len(states), n_actions)
    for block in torch.arange(len(states), device="cpu").split(BLOCK):
        of_block = slice(int(block[0]), int(block[-1]) + 1)
        terms = torch.addmm(bias, weight, states[of_block].T).unflatten(0, (-1, n_actions))
        summed, by_unit = terms[-1], units[of_block].T
        utilities[of_block] = ((terms[:-1] * by_unit.unsqueeze(1)).sum(0) + summed).T
    return utilities


def generated_utilities_of(units: Tensor, states: Tensor, generators: Tensor, actions: Tensor) -> Tensor:
    """Return the utility (N,) of one action (N,) of each row; other arguments as in `generated_utilities`."""
    function = ChosenUtilities if states.device.type == "cpu" else SortedUtilities
    utilities: Tensor = function.apply(units, states, generators, actions)
    return utilities


class ChosenUtilities(torch.autograd.Function):
    """Autograd function of `generated_utilities_of` on the CPU. It forms only the column of each row's action."""

    @staticmethod
    def forward(ctx: Any, units: Tensor, states: Tensor, generators: Tensor, actions: Tensor) -> Tensor:
        layers = generators.permute(1, 2, 0).contiguous()  # (U, K + 1, H + 1)
        utilities, columns = states.new_empty(len(states)), torch.empty_like(states)
        choose(*arrays(units, states, layers, actions, utilities, columns))
        ctx.save_for_backward(units, states, layers, actions, columns)
        return utilities

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        units, states, layers, actions, columns = ctx.saved_tensors
        grad_units, grad_states = units.new_empty(units.shape), states.new_empty(states.shape)
        grad_layers = torch.zeros_like(layers)
        choose_backward(
            *arrays(units, states, layers, actions, columns, grad, grad_units, grad_states, grad_layers),
        )
        return grad_units, grad_states, grad_layers.permute(2, 0, 1), None


@compiled
def add_up(units, states, weight, bias, utilities):
    """Write utilities (N, U), given weight ((K + 1) * U, H) and bias (K + 1, U). Vectors run over ROWS rows."""
    n_units, n_actions = units.shape[1], utilities.shape[1]
    dtype = states.dtype
    room = np.empty(len(weight) * ROWS, dtype)
    sums, unit = np.empty((n_actions, ROWS), dtype), np.empty(ROWS, dtype)
    for start in range(0, len(states), ROWS):
        rows = min(ROWS, len(states) - start)
        terms = room[: len(weight) * rows].reshape(len(weight), rows)
        np.dot(weight, states[start : start + rows].T, terms)
        for u in range(n_actions):
            total, term, shift = sums[u], terms[n_units * n_actions + u], bias[n_units, u]
            for i in range(rows):
                total[i] = term[i] + shift
        for k in range(n_units):
            for i in range(rows):
                unit[i] = units[start + i, k]
            for u in range(n_actions):
                total, term, shift = sums[u], terms[k * n_actions + u], bias[k, u]
                for i in range(rows):
                    total[i] += unit[i] * (term[i] + shift)
        for i in range(rows):
            for u in range(n_actions):
                utilities[start + i, u] = sums[u, i]


@summing
def choose(units, states, layers, actions, utilities, columns):
    """Write utilities (N,) and the generated columns (N, H), given layers (U, K + 1, H + 1)."""
    n_units, width = units.shape[1], states.shape[1]
    for i in range(len(states)):
        column, state, layer = columns[i], states[i], layers[actions[i]]
        none = layer[n_units]
        for h in range(width):
            column[h] = none[h]
        total = none[width]
        for k in range(n_units):
            unit, own = units[i, k], layer[k]
            if unit != 0:
                total += unit * own[width]
                for h in range(width):
                    column[h] += unit * own[h]
        for h in range(width):
            total += column[h] * state[h]
        utilities[i] = total


@summing
def choose_backward(units, states, layers, actions, columns, grad, grad_units, grad_states, grad_layers):
    """Write the gradients of units and states, and add to those of the layers."""
    n_units, width = units.shape[1], states.shape[1]
    weighted = np.empty(width, states.dtype)
    for i in range(len(states)):
        state, column, of_state, layer = states[i], columns[i], grad_states[i], layers[actions[i]]
        of_layer, scale = grad_layers[actions[i]], grad[i]
        for h in range(width):
            of_state[h] = scale * column[h]
        for h in range(width):
            weighted[h] = scale * state[h]
        of_none = of_layer[n_units]
        for h in range(width):
            of_none[h] += weighted[h]
        of_none[width] += scale
        for k in range(n_units):
            unit, own, of_own = units[i, k], layer[k], of_layer[k]
            total = scale * own[width]
            for h in range(width):
                total += own[h] * weighted[h]
            grad_units[i, k] = total
            if unit != 0:
                for h in range(width):
                    of_own[h] += unit * weighted[h]
                of_own[width] += unit * scale


class SortedUtilities(torch.autograd.Function):
    """Autograd function of `generated_utilities_of` with operations of torch, for any device.

    Rows are sorted by action. Then the columns of each action are applied to its rows.
    """

    @staticmethod
    def forward(ctx: Any, units: Tensor, states: Tensor, generators: Tensor, actions: Tensor) -> Tensor:
        order = actions.short().argsort()  # int16 is sorted faster than int64
        rows = actions.bincount(minlength=generators.shape[1]).tolist()
        units, states = units.index_select(0, order), states.index_select(0, order)
        terms = units.new_empty(len(units), generators.shape[2])
        of_actions = generators.unbind(1), states.split(rows), terms.split(rows)
        for layer, of_states, of_terms in zip(*of_actions, strict=True):
            torch.addmm(layer[-1], of_states, layer[:-1], out=of_terms)
        ctx.save_for_backward(order, units, states, terms, generators)
        ctx.rows = rows
        utilities = (terms[:, :-1] * units).sum(-1).add_(terms[:, -1])
        return torch.empty_like(utilities).index_copy_(0, order, utilities)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        order, units, states, terms, generators = ctx.saved_tensors
        grad = grad.index_select(0, order).unsqueeze(1)
        grad_terms, grad_states = torch.empty_like(terms), torch.empty_like(states)
        grad_generators = torch.empty_like(generators.transpose(0, 1))
        torch.mul(units, grad, out=grad_terms[:, :-1])
        grad_terms[:, -1:] = grad
        whole = grad_generators.unbind(), generators.unbind(1)
        of_rows = (each.split(ctx.rows) for each in (states, grad_states, grad_terms))
        for of_layer, layer, of_states, of_grad, of_terms in zip(*whole, *of_rows, strict=True):
            torch.mm(of_terms, layer[:-1].T, out=of_grad)
            torch.mm(of_states.T, of_terms, out=of_layer[:-1])
            torch.sum(of_terms, 0, out=of_layer[-1])
        grad_units, grad_states = (
            torch.empty_like(each).index_copy_(0, order, each) for each in (terms[:, :-1] * grad, grad_states)
        )
        return grad_units, grad_states, grad_generators.transpose(0, 1), None
