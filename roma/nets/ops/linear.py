"""Several linear maps of one input."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

VECTOR = 16  # floats that a processor computes with at once
FEW = 512  # rows, as in acting: laying out their factors costs more than it gains


def reference(inputs: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
    """What `joint_linear` computes, one by one."""
    return tuple(inputs @ weight.T for weight in weights)


def joint_linear(inputs: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
    """Products of inputs (..., I) with weights (O_k, I), without bias: (..., O_k) each, views of one block.

    A long input is read once, and narrow weights do not make narrow, slow products; nor do weights that are columns of
    another, for concatenation lays them out contiguously. Zeros widen the block to whole vectors.
    """
    if not torch.is_grad_enabled() and inputs.shape[:-1].numel() < FEW:
        return functional.linear(inputs, torch.cat(weights)).split([len(weight) for weight in weights], dim=-1)
    products = JointProduct.apply(inputs.flatten(0, -2), *weights)
    return tuple(product.unflatten(0, inputs.shape[:-1]) for product in products)


class JointProduct(torch.autograd.Function):
    """Inputs (N, I) with weights (O_k, I) to (N, O_k) each, every product with its factors laid out as is fastest."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(inputs, *weights)
        widths = [len(weight) for weight in weights]
        widths.append(-sum(widths) % VECTOR)
        joint = functional.pad(torch.cat(weights), (0, 0, 0, widths[-1]))
        return (inputs @ joint.T.contiguous()).split(widths, dim=1)[:-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        inputs, *weights = ctx.saved_tensors
        grad_inputs = None
        if ctx.needs_input_grad[0]:
            grad_inputs = torch.cat(grads, dim=1) @ torch.cat(weights)
        narrow = [grad for grad in grads if grad.shape[1] < 2 * VECTOR]  # the others are not worth a copy
        of_narrow = iter(
            (torch.cat(narrow, dim=1).T @ inputs).split([grad.shape[1] for grad in narrow]) if narrow else []
        )
        return grad_inputs, *(next(of_narrow) if grad.shape[1] < 2 * VECTOR else grad.T @ inputs for grad in grads)
