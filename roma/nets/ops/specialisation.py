"""L_D of ROMA at each step: operations shared by all readings, and the paper's reading in one pass on the CPU.

Pairs of agents [i, j] are ordered. D is the dissimilarity of trajectories; its hidden layer is split into a term of i
and a term of j. I is the log density of i's role under j's posterior.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from roma.nets.ops.compilation import arrays, summing

TINY = 1e-12  # added to the range in the min-max normalisation
VECTOR = 8  # rows of pairs are padded to a multiple, because LLVM does not vectorise remainders


def off_diagonal(matrix: Tensor) -> Tensor:
    """Return the entries i != j of (..., A, A), in order, as (..., A * (A - 1))."""
    agents = matrix.shape[-1]
    return matrix.flatten(-2)[..., 1:].unflatten(-1, (agents - 1, agents + 1))[..., :-1].flatten(-2)


def min_max_reference(values: Tensor) -> Tensor:
    """Return the result of `min_max_normalised` if all pairs count."""
    low, high = values.amin(-1, keepdim=True), values.amax(-1, keepdim=True)
    return torch.where(high > low, (values - low) / (high - low + TINY), 0.0)


def min_max_normalised(values: Tensor, counted: Tensor | None) -> Tensor:
    """Scale pairs (..., P) to [0, 1] by their minimum and maximum, with gradients through both.

    If all pairs are equal, they become 0 and have no gradient. This happens at each first step, where all trajectories
    are empty. The gradient there would be a sum of terms of order 1 / TINY that cancel except for rounding errors.

    Args:
        values: Pairs (..., P).
        counted: Pairs that count (..., P); others become 0. None: all count.
    """
    if not values.shape[-1]:
        return values
    scaled: Tensor = MinMaxNormalisation.apply(values, counted)
    return scaled


def capped_sum(values: Tensor) -> Tensor:
    """Return the sum of min(x, U), U = 1, over the last dimension: (..., P) to (...)."""
    capped: Tensor = CappedSum.apply(values)
    return capped


def reference(
    role: Tensor,
    mean: Tensor,
    variance: Tensor,
    first: Tensor,
    second: Tensor,
    weight: Tensor,
    bias: Tensor,
    absolute: bool,
    hinge_weight: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the result of `specialisation`, by forming all pairs."""
    difference, spread = role.unsqueeze(-2) - mean.unsqueeze(-3), variance.unsqueeze(-3)
    information = -0.5 * (difference**2 / spread + (2 * math.pi * spread).log()).sum(-1)
    dissimilarity = (first.unsqueeze(-2) + second.unsqueeze(-3)).relu() @ weight + bias
    if absolute:
        dissimilarity = dissimilarity.abs()
    scaled_information, scaled = (min_max_reference(off_diagonal(each)) for each in (information, dissimilarity))
    norm, combined = torch.linalg.vector_norm(scaled, dim=-1), scaled_information + scaled
    return norm - hinge_weight * combined.clamp_max(1.0).sum(-1), norm, (combined >= 1.0).to(norm.dtype).mean(-1)


def specialisation(
    role: Tensor,
    mean: Tensor,
    variance: Tensor,
    first: Tensor,
    second: Tensor,
    weight: Tensor,
    bias: Tensor,
    absolute: bool,
    hinge_weight: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return ||D'||_F - hinge_weight * sum over i != j of min(I'_ij + d'_ij, 1) of each step (Eqs. 6 and 22).

    I' and d' are scaled to [0, 1] over the pairs i != j of the step. Runs on the CPU, for two agents or more.

    Args:
        role: Sampled roles (R, A, D).
        mean: Mean of the posterior (R, A, D).
        variance: Variance of the posterior (R, A, D).
        first: Term of i in the hidden layer of d, with the bias (R, A, K).
        second: Term of j in the hidden layer of d (R, A, K).
        weight: Weight of the output layer of d (K,).
        bias: Bias of the output layer of d, a scalar.
        absolute: d is the absolute value of the output.
        hinge_weight: Weight of the sum.

    Returns:
        The values (R,); then, without gradient, ||D'||_F (R,) and the share of pairs whose sum is capped (R,).
    """
    of_steps: tuple[Tensor, Tensor, Tensor] = Specialisation.apply(
        role, mean, variance, first, second, weight, bias, absolute, hinge_weight
    )
    return of_steps


class Specialisation(torch.autograd.Function):
    """Autograd function of `specialisation`. One pass over the steps computes values and gradients of each step."""

    @staticmethod
    def forward(ctx: Any, *tensors_and_switches: Any) -> tuple[Tensor, Tensor, Tensor]:
        *tensors, absolute, hinge_weight = tensors_and_switches
        role, bias = tensors[0], tensors[-1]
        values = [role.new_empty(len(role)) for _ in range(3)]
        grads = [each.new_empty(each.shape) for each in tensors[:5]]
        # Gradients of the output layer are kept by step, because the incoming gradient weights the steps.
        grads += [role.new_empty(len(role), tensors[5].numel()), role.new_empty(len(role))]
        constants = role.new_tensor([bias.item(), hinge_weight, TINY, 0.5], device="cpu")
        specialise(*arrays(*tensors[:6]), absolute, *arrays(constants, *values, *grads))
        ctx.save_for_backward(*grads)
        ctx.bias_shape = bias.shape
        ctx.mark_non_differentiable(*values[1:])
        return values[0], values[1], values[2]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *others: Tensor) -> tuple[Tensor | None, ...]:
        *of_agents, of_weight, of_bias = ctx.saved_tensors
        of_layer = grad @ of_weight, (grad * of_bias).sum().view(ctx.bias_shape)
        return *(each * grad.view(-1, 1, 1) for each in of_agents), *of_layer, None, None


class CappedSum(torch.autograd.Function):
    """Autograd function of `capped_sum`, whose gradient has no branches."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values.clamp_max(1.0).sum(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors
        return torch.le(values, 1.0, out=torch.empty_like(values)).mul_(grad.unsqueeze(-1))


class MinMaxNormalisation(torch.autograd.Function):
    """Autograd function of `min_max_normalised`, s = (x - low) / (high - low). Equal extremes share the gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, counted: Tensor | None) -> Tensor:
        least = most = values
        if counted is not None:
            least, most = (values.masked_fill(~counted, end) for end in (math.inf, -math.inf))
        low, high = least.amin(-1, keepdim=True), most.amax(-1, keepdim=True)
        spread = (high - low + TINY).masked_fill_(high <= low, math.inf)  # high < low if no pair counts
        scaled = (values - low).div_(spread)
        if counted is not None:
            scaled.masked_fill_(~counted, 0.0)
        lowest, highest = (torch.eq(*pair, out=torch.empty_like(values)) for pair in ((least, low), (most, high)))
        ctx.save_for_backward(scaled, spread, lowest, highest, counted)
        return scaled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        scaled, spread, lowest, highest, counted = ctx.saved_tensors
        grad_values = grad / spread
        if counted is not None:
            grad_values.masked_fill_(~counted, 0.0)
        grad_high = -(grad_values * scaled).sum(-1, keepdim=True)
        grad_low = -grad_values.sum(-1, keepdim=True) - grad_high
        for extreme, of_extreme in ((lowest, grad_low), (highest, grad_high)):
            grad_values.addcmul_(extreme, of_extreme / extreme.sum(-1, keepdim=True))
        return grad_values, None


@summing
def log_densities(role, mean, variance, columns, half, information):
    """Write I (A, P) of one step, given role, mean and variance (A, D); columns (2 D + 1, P) is a buffer."""
    agents, width = role.shape
    constant = role.dtype.type(width * math.log(2 * math.pi))
    for j in range(agents):
        total = constant
        for q in range(width):
            columns[q, j] = mean[j, q]
            columns[width + q, j] = 1 / variance[j, q]
            total += math.log(variance[j, q])
        columns[2 * width, j] = total
    for i in range(agents):
        row, scale = information[i], columns[2 * width]
        for j in range(len(row)):
            row[j] = scale[j]
        for q in range(width):
            value, centre, precision = role[i, q], columns[q], columns[width + q]
            for j in range(len(row)):
                row[j] += (value - centre[j]) * (value - centre[j]) * precision[j]
        for j in range(len(row)):
            row[j] *= -half


@summing
def dissimilarities(first, second, weight, bias, absolute, columns, slope, dissimilarity):
    """Write d (A, P) of one step and its slope in the output, given two (A, K); columns (K, P) is a buffer."""
    zero, one = first.dtype.type(0), first.dtype.type(1)
    for j in range(len(second)):
        for k in range(len(columns)):
            columns[k, j] = second[j, k]
    for i in range(len(first)):
        row, ramp = dissimilarity[i], slope[i]
        for j in range(len(row)):
            row[j] = bias
        for k in range(len(columns)):
            own, other, scale = first[i, k], columns[k], weight[k]
            for j in range(len(row)):
                unit = own + other[j]
                row[j] += scale * (zero if unit < zero else unit)
        for j in range(len(row)):
            ramp[j] = one
        if absolute:
            for j in range(len(row)):
                ramp[j] = one if row[j] > zero else -one if row[j] < zero else zero
            for j in range(len(row)):
                row[j] = abs(row[j])


@summing
def scale_pairs(values, tiny, scaled):
    """Write the values (A, P) scaled to [0, 1] over i != j; return range (infinite instead of 0), minimum, maximum."""
    agents, infinity = len(values), values.dtype.type(np.inf)
    low, high = infinity, -infinity
    for i in range(agents):
        for j in range(agents):
            if j != i:
                low, high = min(low, values[i, j]), max(high, values[i, j])
    spread = high - low + tiny if high > low else infinity
    for i in range(agents):
        row, out = values[i], scaled[i]
        for j in range(len(row)):
            out[j] = (row[j] - low) / spread
    return spread, low, high


@summing
def scale_pairs_backward(values, scaled, spread, low, high, grad):
    """Turn the gradient of scaled pairs into that of the values, in place. Equal extremes share the gradient."""
    agents, zero = len(values), values.dtype.type(0)
    total, of_high, lowest, highest = zero, zero, 0, 0
    for i in range(agents):
        for j in range(agents):
            if j != i:
                grad[i, j] /= spread
                total += grad[i, j]
                of_high -= grad[i, j] * scaled[i, j]
                lowest += values[i, j] == low
                highest += values[i, j] == high
    of_low = values.dtype.type((-total - of_high) / max(lowest, 1))
    of_high = values.dtype.type(of_high / max(highest, 1))
    for i in range(agents):
        for j in range(agents):
            if j != i:
                if values[i, j] == low:
                    grad[i, j] += of_low
                if values[i, j] == high:
                    grad[i, j] += of_high


@summing
def specialise(
    role,
    mean,
    variance,
    first,
    second,
    weight,
    absolute,
    constants,
    values,
    norms,
    capped_shares,
    grad_role,
    grad_mean,
    grad_variance,
    grad_first,
    grad_second,
    grad_weight,
    grad_bias,
):
    """Write the values of all steps (R,) and their gradients; constants are bias, hinge_weight, TINY and 0.5."""
    rows, agents, dimensions = role.shape
    n_units, padded, dtype = first.shape[2], -(-agents // VECTOR) * VECTOR, role.dtype
    bias, hinge, tiny, half = constants
    zero, one = dtype.type(0), dtype.type(1)
    information, dissimilarity, slope, scaled_information, scaled, of_information, of_dissimilarity = np.zeros(
        (7, agents, padded), dtype
    )
    normals, of_normals = np.ones((2 * dimensions + 1, padded), dtype), np.empty((2 * dimensions, padded), dtype)
    units, of_units = np.zeros((n_units, padded), dtype), np.empty((n_units, padded), dtype)
    for r in range(rows):
        log_densities(role[r], mean[r], variance[r], normals, half, information)
        dissimilarities(first[r], second[r], weight, bias, absolute, units, slope, dissimilarity)
        range_i, low_i, high_i = scale_pairs(information, tiny, scaled_information)
        range_d, low_d, high_d = scale_pairs(dissimilarity, tiny, scaled)

        square, total, capped = zero, zero, 0
        for i in range(agents):
            for j in range(agents):
                if j != i:
                    combined = scaled_information[i, j] + scaled[i, j]
                    square += scaled[i, j] * scaled[i, j]
                    total += one if combined > one else combined
                    capped += combined >= one
        norms[r] = math.sqrt(square)
        values[r] = norms[r] - hinge * total
        capped_shares[r] = capped / (agents * (agents - 1))

        of_norm = one / norms[r] if norms[r] > zero else zero
        for i in range(agents):
            for j in range(padded):
                below = scaled_information[i, j] + scaled[i, j] <= one
                of_information[i, j] = -hinge if below else zero
                of_dissimilarity[i, j] = of_information[i, j] + scaled[i, j] * of_norm
            of_information[i, agents:] = zero
            of_dissimilarity[i, agents:] = zero
            of_information[i, i] = zero
            of_dissimilarity[i, i] = zero
        scale_pairs_backward(information, scaled_information, range_i, low_i, high_i, of_information)
        scale_pairs_backward(dissimilarity, scaled, range_d, low_d, high_d, of_dissimilarity)

        of_normals[:] = zero
        of_units[:] = zero
        grad_bias[r] = zero
        for i in range(agents):
            grad, ramp = of_dissimilarity[i], slope[i]
            for j in range(padded):
                grad[j] *= ramp[j]
            for j in range(padded):
                grad_bias[r] += grad[j]
            for k in range(n_units):
                own, other, of_other, of_own = first[r, i, k], units[k], of_units[k], zero
                for j in range(padded):
                    active = grad[j] if own + other[j] > zero else zero
                    of_other[j] += active
                    of_own += active
                grad_first[r, i, k] = of_own
            grad = of_information[i]
            for q in range(dimensions):
                value, centre, precision = role[r, i, q], normals[q], normals[dimensions + q]
                of_mean, of_variance, of_role = of_normals[q], of_normals[dimensions + q], zero
                for j in range(padded):
                    distance = (value - centre[j]) * precision[j]
                    pull = distance * grad[j]
                    of_role -= pull
                    of_mean[j] += pull
                    of_variance[j] += half * (distance * distance - precision[j]) * grad[j]
                grad_role[r, i, q] = of_role
        for j in range(agents):
            for q in range(dimensions):
                grad_mean[r, j, q] = of_normals[q, j]
                grad_variance[r, j, q] = of_normals[dimensions + q, j]
        for k in range(n_units):
            # An active pair adds first + second to its unit's gradient, so the sums over partners suffice.
            of_weight = zero
            for j in range(agents):
                of_weight += grad_first[r, j, k] * first[r, j, k] + of_units[k, j] * units[k, j]
                grad_first[r, j, k] *= weight[k]
                grad_second[r, j, k] = of_units[k, j] * weight[k]
            grad_weight[r, k] = of_weight
