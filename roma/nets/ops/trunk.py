"""The recurrent trunk over whole episodes, and further products of the observations, in blocks of rows.

A block holds consecutive times with at most BLOCK rows together, or one larger time. One product computes the inputs of
a block. Only the recurrent product and the gates run step by step, in memory that stays in the processor's cache.

Dead agents observe zeros: two fifths of all rows on large maps. For such rows the input layer only selects an entry of
a table, so the GRU's product with its input is looked up, too, instead of computed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from roma.nets.ops.compilation import BLOCK, arrays, compiled, sigmoid, tanh
from roma.nets.ops.recurrence import blocks_of, gated_recurrence


def reference(
    obs: Tensor,
    weight: Tensor,
    table: Tensor,
    last_actions: Tensor,
    counts: Sequence[int],
    *gru: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return the result of `recurrent_trunk`, step by step."""
    agents, width = table.shape[0], table.shape[2]
    products = obs @ weight.T
    inputs = (products[..., :width] + table[torch.arange(agents), last_actions + 1]).relu()
    hidden, states = obs.new_zeros(counts[0] * agents, width), []
    for of_time in inputs.split(list(counts)):
        hidden = torch.gru_cell(of_time.flatten(0, 1), hidden[: len(of_time) * agents], *gru)
        states.append(hidden)
    return torch.cat(states).unflatten(0, (-1, agents)), products[..., width:]


def recurrent_trunk(
    obs: Tensor,
    weight: Tensor,
    table: Tensor,
    last_actions: Tensor,
    counts: Sequence[int],
    *gru: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return the GRU's states after each step, from zero, and further products of the observations.

    Args:
        obs: Observations (R, A, O); they get no gradient.
        weight: Weight (H + K, O): H rows of the input layer, then K rows of further layers.
        table: Terms of the input layer for each agent and last action (A, U + 1, H); entry 0 is for no last action.
        last_actions: Last actions (R, A), -1 for none.
        counts: Number of rows of each time, never rising. Row k of a time continues in row k of the next time.
        gru: Weights (3H, H) of input and state, then biases (3H,) of both, in torch's order of gates.

    Returns:
        States (R, A, H) and products (R, A, K).
    """
    agents, width = table.shape[0], table.shape[2]
    if obs.device.type == "cpu":
        states, products = RecurrentTrunk.apply(obs.flatten(0, 1), weight, table, last_actions.flatten(), counts, *gru)
        return states.unflatten(0, (-1, agents)), products.unflatten(0, (-1, agents))
    products = functional.linear(obs, weight)
    rows = torch.arange(agents, device=obs.device) * table.shape[1] + last_actions + 1
    inputs = functional.embedding(rows, table.flatten(0, 1)).add_(products[..., :width]).relu_()
    return gated_recurrence(inputs, counts, *gru), products[..., width:]


class RecurrentTrunk(torch.autograd.Function):
    """Autograd function of `recurrent_trunk` on the CPU; obs (N, O), last actions (N,), outputs (N, H) and (N, K)."""

    @staticmethod
    def forward(
        ctx: Any,
        obs: Tensor,
        weight: Tensor,
        table: Tensor,
        last_actions: Tensor,
        counts: Sequence[int],
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
    ) -> tuple[Tensor, Tensor]:
        agents, _, width = table.shape
        sizes = np.array(counts) * agents
        bounds = np.cumsum([0, *map(len, blocks_of(sizes.tolist()))])
        kept = len(obs) if any(ctx.needs_input_grad) else max(BLOCK, int(sizes[0]))
        embedded, gates, candidates = (obs.new_empty(kept, size) for size in (width, 3 * width, width))
        states, products = obs.new_empty(len(obs), width), obs.new_zeros(len(obs), len(weight) - width)
        bias = torch.cat([(bias_ih + bias_hh)[: 2 * width], bias_ih[2 * width :], bias_hh[2 * width :]])
        of_none = table.relu() @ weight_ih.T
        unroll(
            *arrays(obs, weight.T, table, last_actions),
            sizes,
            bounds,
            *arrays(of_none, weight_ih.T, weight_hh.T, bias, embedded, gates, candidates, states, products),
        )
        ctx.save_for_backward(obs, table, last_actions, weight_ih, weight_hh, embedded, gates, candidates, states)
        ctx.sizes, ctx.bounds = sizes, bounds
        return states, products

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor, grad_products: Tensor) -> tuple[Tensor | None, ...]:
        obs, table, last_actions, weight_ih, weight_hh, *kept = ctx.saved_tensors
        width = table.shape[2]
        grad_weight = obs.new_zeros(width + grad_products.shape[1], obs.shape[1])
        grad_table, grad_weight_ih, grad_weight_hh = (
            torch.zeros_like(each, memory_format=torch.contiguous_format) for each in (table, weight_ih, weight_hh)
        )
        grad_of_none, grad_bias = obs.new_zeros(*table.shape[:2], 3 * width), obs.new_zeros(4 * width)
        unroll_backward(
            *arrays(obs, last_actions),
            ctx.sizes,
            ctx.bounds,
            *arrays(weight_ih, weight_hh, *kept, grad_states, grad_products),
            *arrays(grad_weight, grad_table, grad_of_none, grad_weight_ih, grad_weight_hh, grad_bias),
        )
        grad_table += (grad_of_none @ weight_ih).masked_fill_(table <= 0, 0)
        grad_weight_ih += grad_of_none.flatten(0, 1).T @ table.relu().flatten(0, 1)
        gates, of_input, of_state = grad_bias.split([2 * width, width, width])
        grad_biases = torch.cat([gates, of_input]), torch.cat([gates, of_state])
        return None, grad_weight, grad_table, None, None, grad_weight_ih, grad_weight_hh, *grad_biases


@compiled
def gather_seen(obs, start, rows, places, seen):
    """Copy the non-zero rows from `start` on to the front of `seen`; return their number.

    `places` (rows,) becomes the position of each row in an order with the non-zero rows first.
    """
    count, last = 0, rows
    for i in range(rows):
        row, k = obs[start + i], 0
        while k < len(row) and row[k] == 0:
            k += 1
        if k < len(row):
            copy, places[i] = seen[count], count
            for k in range(len(row)):
                copy[k] = row[k]
            count += 1
        else:
            last -= 1
            places[i] = last
    return count


@compiled
def unroll(
    obs,
    weight,
    table,
    last_actions,
    sizes,
    bounds,
    of_none,
    weight_ih,
    weight_hh,
    bias,
    embedded,
    gates,
    candidates,
    states,
    products,
):
    """Write states and products, and the values that the backward pass reads.

    - sizes: number of rows of each time; bounds: first time of each block, then the number of times.
    - weights are transposed, (I, O); bias: of the gates r and u (2H,), then of the candidate's two terms (H,) each.
    - of_none: the GRU's product with its input for rows that observe zeros, (A, U + 1, 3H).
    - candidates (N, H) and gates (N, 3H), which are r, u and y, keep all rows or, without a backward pass, one block.
    - embedded (N, H) keeps the outputs of the input layer for non-zero rows, at the front of each block.
    - products are zero before the call.
    """
    agents, _, width = table.shape
    both, zero = 2 * width, obs.dtype.type(0)
    bias_gates, bias_input, bias_state = bias[:both], bias[both : both + width], bias[both + width :]
    most = max(BLOCK, sizes[0])
    seen, places = np.empty((most, obs.shape[1]), obs.dtype), np.empty(most, np.int64)
    of_obs, of_input = np.empty((most, weight.shape[1]), obs.dtype), np.empty((most, 3 * width), obs.dtype)
    nothing = np.zeros((sizes[0], width), obs.dtype)
    keeps = len(embedded) == len(obs)
    start = previous = 0
    for block in range(len(bounds) - 1):
        time, end = bounds[block], bounds[block + 1]
        rows = sizes[time:end].sum()
        place = start if keeps else 0

        count = gather_seen(obs, start, rows, places, seen)
        np.dot(seen[:count], weight, of_obs[:count])
        for i in range(rows):
            if places[i] < count:
                row, product, further = embedded[place + places[i]], of_obs[places[i]], products[start + i]
                selected = table[(start + i) % agents, last_actions[start + i] + 1]
                for k in range(width):
                    value = product[k] + selected[k]
                    row[k] = zero if value < zero else value
                for k in range(len(further)):
                    further[k] = product[width + k]
        np.dot(embedded[place : place + count], weight_ih, of_input[:count])

        at = 0
        for step in range(time, end):
            size = sizes[step]
            before = nothing if step == 0 else states[previous : previous + size]
            previous = start + at
            np.dot(before, weight_hh, gates[place + at : place + at + size])
            for i in range(size):
                gate, candidate = gates[place + at + i], candidates[place + at + i]
                of_row = of_input[places[at + i]]
                if places[at + i] >= count:
                    of_row = of_none[(start + at + i) % agents, last_actions[start + at + i] + 1]
                old, new = before[i], states[previous + i]
                reset_update, update, recurrent, row = gate[:both], gate[width:both], gate[both:], of_row[both:]
                for k in range(both):
                    reset_update[k] = sigmoid(reset_update[k] + of_row[k] + bias_gates[k])
                for k in range(width):
                    recurrent[k] += bias_state[k]
                for k in range(width):
                    candidate[k] = tanh(row[k] + bias_input[k] + gate[k] * recurrent[k])
                for k in range(width):
                    new[k] = candidate[k] + update[k] * (old[k] - candidate[k])
            at += size
        start += rows


@compiled
def unroll_backward(
    obs,
    last_actions,
    sizes,
    bounds,
    weight_ih,
    weight_hh,
    embedded,
    gates,
    candidates,
    states,
    grad_states,
    grad_products,
    grad_weight,
    grad_table,
    grad_of_none,
    grad_weight_ih,
    grad_weight_hh,
    grad_bias,
):
    """Add to the gradients of all weights, from the last block to the first. Weights are (O, I)."""
    agents, _, width = grad_table.shape
    both, zero = 2 * width, obs.dtype.type(0)
    most = max(BLOCK, sizes[0])
    # Gradients of one block: of r, u and candidate before their activations, by their terms of the input and of the
    # state, which differ only for the candidate. Those of the input are in the order with non-zero rows first.
    of_input, of_state = np.empty((most, 3 * width), obs.dtype), np.empty((most, 3 * width), obs.dtype)
    befores, of_embedded = np.empty((most, width), obs.dtype), np.empty((most, width), obs.dtype)
    seen, places = np.empty((most, obs.shape[1]), obs.dtype), np.empty(most, np.int64)
    of_obs, of_weight = np.empty((most, len(grad_weight)), obs.dtype), np.empty(grad_weight.shape, obs.dtype)
    of_weight_ih, of_weight_hh = np.empty(weight_ih.shape, obs.dtype), np.empty(weight_hh.shape, obs.dtype)
    carried, back = np.zeros((sizes[0], width), obs.dtype), np.empty((sizes[0], width), obs.dtype)
    end = len(obs)
    for block in range(len(bounds) - 2, -1, -1):
        first, time = bounds[block], bounds[block + 1]
        rows = sizes[first:time].sum()
        start = end - rows
        count = gather_seen(obs, start, rows, places, seen)

        row = end
        for step in range(time - 1, first - 1, -1):
            size = sizes[step]
            row -= size
            at = row - start
            for i in range(size):
                carry, grad, candidate, gate = carried[i], grad_states[row + i], candidates[row + i], gates[row + i]
                before, part, other = befores[at + i], of_input[places[at + i]], of_state[at + i]
                reset, update, recurrent = gate[:width], gate[width:both], gate[both:]
                of_reset, of_update, of_candidate = part[:width], part[width:both], part[both:]
                of_recurrent = other[both:]
                if step > 0:
                    state = states[row - sizes[step - 1] + i]
                    for k in range(width):
                        before[k] = state[k]
                else:
                    for k in range(width):
                        before[k] = zero
                for k in range(width):
                    carry[k] += grad[k]
                for k in range(width):
                    of_update[k] = carry[k] * (before[k] - candidate[k]) * (update[k] - update[k] * update[k])
                for k in range(width):
                    kept = carry[k] - carry[k] * update[k]
                    of_candidate[k] = kept - kept * candidate[k] * candidate[k]
                for k in range(width):
                    carry[k] *= update[k]
                for k in range(width):
                    of_reset[k] = of_candidate[k] * recurrent[k] * (reset[k] - reset[k] * reset[k])
                for k in range(both):
                    other[k] = part[k]
                for k in range(width):
                    of_recurrent[k] = of_candidate[k] * reset[k]
            np.dot(of_state[at : at + size], weight_hh, back[:size])
            for i in range(size):
                carry, add = carried[i], back[i]
                for k in range(width):
                    carry[k] += add[k]

        np.dot(of_input[:count], weight_ih, of_embedded[:count])
        np.dot(of_input[:count].T, embedded[start : start + count], of_weight_ih)
        np.dot(of_state[:rows].T, befores[:rows], of_weight_hh)
        grad_weight_ih += of_weight_ih
        grad_weight_hh += of_weight_hh
        for i in range(rows):
            place = places[i]
            part, recurrent, of_bias = of_input[place], of_state[i, both:], grad_bias[3 * width :]
            for k in range(3 * width):
                grad_bias[k] += part[k]
            for k in range(width):
                of_bias[k] += recurrent[k]
            agent, choice = (start + i) % agents, last_actions[start + i] + 1
            if place >= count:
                of_product = grad_of_none[agent, choice]
                for k in range(3 * width):
                    of_product[k] += part[k]
                continue
            grad, value, of_row = of_embedded[place], embedded[start + place], of_obs[place]
            selected, further = grad_table[agent, choice], grad_products[start + i]
            for k in range(width):
                of_row[k] = grad[k] if value[k] > zero else zero
            for k in range(width):
                selected[k] += of_row[k]
            for k in range(len(further)):
                of_row[width + k] = further[k]
        np.dot(of_obs[:count].T, seen[:count], of_weight)
        grad_weight += of_weight
        end = start
