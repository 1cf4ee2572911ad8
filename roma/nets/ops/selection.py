"""Linear layers on states that end with one-hot last actions, which only select columns of the weight."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from roma.nets.ops.compilation import arrays, compiled


def reference(state: Tensor, last_actions: Tensor, n_actions: int, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the result of `state_linear`, by one product with the whole state."""
    return functional.linear(state, weight, bias)


def state_linear(state: Tensor, last_actions: Tensor, n_actions: int, weight: Tensor, bias: Tensor) -> Tensor:
    """Return a linear layer (R, F) of states; on the CPU, one-hot last actions are not multiplied.

    Args:
        state: States (R, S) whose last A * U numbers are the one-hot last actions; they get no gradient.
        last_actions: The same last actions (R, A), -1 for none.
        n_actions: U.
        weight: Weight (F, S).
        bias: Bias (F,).
    """
    if state.device.type != "cpu":
        return functional.linear(state, weight, bias)
    product: Tensor = StateLinear.apply(state, last_actions, n_actions, weight, bias)
    return product


class StateLinear(torch.autograd.Function):
    """Autograd function of `state_linear` on the CPU."""

    @staticmethod
    def forward(ctx: Any, state: Tensor, last_actions: Tensor, n_actions: int, weight: Tensor, bias: Tensor) -> Tensor:
        dense = state.shape[1] - last_actions.shape[1] * n_actions
        seen = state[:, :dense].contiguous()
        product = torch.addmm(bias, seen, weight[:, :dense].T)
        add_selected(*arrays(last_actions), n_actions, *arrays(weight[:, dense:].T, product))
        ctx.save_for_backward(seen, last_actions)
        ctx.n_actions, ctx.dense, ctx.shape = n_actions, dense, weight.shape
        return product

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        seen, last_actions = ctx.saved_tensors
        grad_weight = grad.new_empty(ctx.shape)
        grad_columns = grad.new_zeros(ctx.shape[1] - ctx.dense, ctx.shape[0])
        torch.mm(grad.T, seen, out=grad_weight[:, : ctx.dense])
        add_to_selected(*arrays(last_actions), ctx.n_actions, *arrays(grad, grad_columns))
        grad_weight[:, ctx.dense :] = grad_columns.T
        return None, None, None, grad_weight, grad.sum(0)


@compiled
def add_selected(last_actions, n_actions, columns, product):
    """Add to each row of the product (R, F) the columns (A * U, F) that its last actions (R, A) select."""
    for i in range(len(product)):
        row = product[i]
        for agent in range(last_actions.shape[1]):
            action = last_actions[i, agent]
            if action >= 0:
                column = columns[agent * n_actions + action]
                for k in range(len(row)):
                    row[k] += column[k]


@compiled
def add_to_selected(last_actions, n_actions, grad, grad_columns):
    """Add each row of the gradient (R, F) to the columns (A * U, F) that its last actions (R, A) select."""
    for i in range(len(grad)):
        row = grad[i]
        for agent in range(last_actions.shape[1]):
            action = last_actions[i, agent]
            if action >= 0:
                column = grad_columns[agent * n_actions + action]
                for k in range(len(row)):
                    column[k] += row[k]
