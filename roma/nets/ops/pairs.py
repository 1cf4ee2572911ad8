"""Functions of all ordered pairs of agents.

Values of all pairs are the largest tensors of an update. They are computed in blocks of rows that fit into the
processor's cache, and computed again for the gradient instead of stored.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 2**17  # elements
LEAST_ROWS = 32  # least rows of a block; rows are innermost in memory, and fewer are not vectorised


def blocks(*parts: Tensor) -> Iterator[tuple[slice, list[Tensor]]]:
    """Yield ranges of rows of parts (R, A, K), with these rows of each part as (A, K, rows)."""
    rows, agents, width = parts[0].shape
    size = max(LEAST_ROWS, BLOCK // (agents * agents * width))
    for start in range(0, rows, size):
        block = slice(start, min(start + size, rows))
        yield block, [part[block].permute(1, 2, 0).contiguous() for part in parts]


def units_reference(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """Return the result of `pairwise_units`, by forming all pairs."""
    return (first.unsqueeze(2) + second.unsqueeze(1)).relu() @ weight


def pairwise_units(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """Return the sum over k of w_k relu(first_ik + second_jk), (R, A, A), given two (R, A, K) and the weight w (K,)."""
    sums: Tensor = PairwiseUnits.apply(first, second, weight)
    return sums


def log_density_reference(sample: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Return the result of `pairwise_log_density`, by forming all pairs."""
    distance = (sample.unsqueeze(2) - mean.unsqueeze(1)) ** 2 / variance.unsqueeze(1)
    return -0.5 * (distance + (2 * math.pi * variance.unsqueeze(1)).log()).sum(-1)


def pairwise_log_density(sample: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Return log N(sample_i; mean_j, variance_j) of diagonal normals, (R, A, A), given three (R, A, K)."""
    densities: Tensor = PairwiseLogDensity.apply(sample, mean, variance)
    return densities


class PairwiseUnits(torch.autograd.Function):
    """Autograd function of `pairwise_units`."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(first, second, weight)
        rows, agents, _ = first.shape
        out = first.new_empty(rows, agents, agents)
        for block, (of_first, of_second) in blocks(first, second):
            units = (of_first.unsqueeze(1) + of_second).relu_().mul_(weight.unsqueeze(-1))
            out[block] = units.sum(2).permute(2, 0, 1)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, second, weight = ctx.saved_tensors
        grad_first, grad_second = torch.empty_like(first), torch.empty_like(second)
        for block, (of_first, of_second) in blocks(first, second):
            grad_block = grad[block].permute(1, 2, 0).unsqueeze(2).contiguous()  # (A, A, 1, rows)
            active = (of_first.unsqueeze(1) + of_second).gt_(0).mul_(grad_block)
            grad_first[block] = active.sum(1).permute(2, 0, 1)
            grad_second[block] = active.sum(0).permute(2, 0, 1)
        # An active pair adds first + second to its unit's gradient, so the sums over partners suffice.
        grad_weight = (grad_first * first + grad_second * second).sum((0, 1))
        return grad_first.mul_(weight), grad_second.mul_(weight), grad_weight


class PairwiseLogDensity(torch.autograd.Function):
    """Autograd function of `pairwise_log_density`."""

    @staticmethod
    def forward(ctx: Any, sample: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        ctx.save_for_backward(sample, mean, variance)
        rows, agents, width = sample.shape
        out = sample.new_empty(rows, agents, agents)
        for block, (of_sample, of_mean, of_variance) in blocks(sample, mean, variance):
            distance = (of_sample.unsqueeze(1) - of_mean).square_().div_(of_variance).sum(2)
            total = distance.add_(of_variance.log().sum(1)).add_(width * math.log(2 * math.pi)).mul_(-0.5)
            out[block] = total.permute(2, 0, 1)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        sample, mean, variance = ctx.saved_tensors
        grad_sample, grad_mean, grad_variance = (torch.empty_like(each) for each in (sample, mean, variance))
        for block, (of_sample, of_mean, of_variance) in blocks(sample, mean, variance):
            grad_block = grad[block].permute(1, 2, 0).unsqueeze(2).contiguous()  # (A, A, 1, rows)
            difference = of_sample.unsqueeze(1) - of_mean
            weighted = (difference / of_variance).mul_(grad_block)
            grad_sample[block] = weighted.sum(1).neg_().permute(2, 0, 1)
            grad_mean[block] = weighted.sum(0).permute(2, 0, 1)
            spread = weighted.mul_(difference).sum(0).sub_(grad_block.sum(0)).div_(2 * of_variance)
            grad_variance[block] = spread.permute(2, 0, 1)
        return grad_sample, grad_mean, grad_variance
