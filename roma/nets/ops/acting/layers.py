"""Layers of the agent networks, for one agent's vectors."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roma.nets.ops.acting.compiler import compiled, inlined

Floats = NDArray[np.float32]
f32, i32 = np.float32, np.int32
ZERO, ONE, TWO = f32(0), f32(1), f32(2)
TINY = f32(1e-5)  # added to variances in batch normalisation
LEAK = f32(0.01)  # slope of the leaky ReLU below zero

LARGEST = f32(87)  # exp(x) is a normal number for |x| up to this
LOG2_E = f32(1.44269504)
LN_TWO_HIGH, LN_TWO_LOW = f32(0.693359375), f32(-2.12194440e-4)
# exp(x) = 1 + x + x^2 p(x) on [-ln(2) / 2, ln(2) / 2] (Cephes, expf), highest power first.
EXP = tuple(map(f32, (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)))


class Layer(NamedTuple):
    """Linear layer."""

    weight: Floats  # (G, I, O)
    bias: Floats  # (G, O)


class Trunk(NamedTuple):
    """Input layer with ReLU, and GRU in torch's order of gates: reset, update, candidate."""

    of_obs: Floats  # (G, O, H + K): the last K columns belong to the role encoder
    of_action: Floats  # (G, U, H)
    of_agent: Floats  # (A, H), with the bias
    of_input: Layer  # (G, H, 3H)
    of_hidden: Layer  # (G, H, 3H)


class Activation(NamedTuple):
    """Activation of a role network's hidden layer: ReLU, or batch normalisation and leaky ReLU."""

    normalised: bool
    scale: Floats  # (K,)
    shift: Floats  # (K,)


class RoleEncoder(NamedTuple):
    """Role encoder, without the product of the observation, which is part of `Trunk.of_obs`."""

    of_action: Floats  # (U, K), zero if the encoder does not read the last action
    of_agent: Floats  # (A, K), with the bias
    activation: Activation
    gaussian: Layer  # (1, K, 2D): mean and log-variance
    variance_floor: float


class RoleDecoder(NamedTuple):
    """Role decoder, which generates weight and bias of the agent's last layer."""

    of_role: Layer  # (1, D, K)
    activation: Activation
    generator: Layer  # (1, K, (H + 1) * U): rows of the weight, then the bias


class LatentLayer(NamedTuple):
    """Last layer of each latent and agent: the sum of two tables."""

    of_latent: Floats  # (Z, H, U)
    of_agent: Floats  # (A, H, U)


@inlined
def exp(x):
    """Return e to the power x, with x clipped to [-87, 87]."""
    x = min(max(x, -LARGEST), LARGEST)
    power = np.floor(x * LOG2_E + f32(0.5))
    x = x - power * LN_TWO_HIGH - power * LN_TWO_LOW
    value = EXP[0]
    for coefficient in EXP[1:]:
        value = value * x + coefficient
    return (value * x * x + x + ONE) * i32((i32(power) + i32(127)) << i32(23)).view(f32)


@inlined
def sigmoid(x):
    """Return 1 / (1 + exp(-x))."""
    return ONE / (ONE + exp(-x))


@inlined
def tanh(x):
    """Return the hyperbolic tangent, to 1e-7."""
    return TWO * sigmoid(TWO * x) - ONE


@compiled
def add_product(x, weight, out, terms):
    """Add the product of x (I,) and weight (I, O) to out (O,), term by term; `terms` is a buffer for I numbers.

    Zeros of x are skipped: three quarters of an observation and half of a ReLU's outputs are zero.
    """
    count = 0
    for k in range(x.shape[0]):
        terms[count] = k
        count += x[k] != 0
    for first in range(0, count - 3, 4):  # four terms at a time, so that `out` is read and written once for all four
        a, b, c, d = terms[first], terms[first + 1], terms[first + 2], terms[first + 3]
        x_a, x_b, x_c, x_d = x[a], x[b], x[c], x[d]
        row_a, row_b, row_c, row_d = weight[a], weight[b], weight[c], weight[d]
        for o in range(out.shape[0]):
            out[o] = (((out[o] + x_a * row_a[o]) + x_b * row_b[o]) + x_c * row_c[o]) + x_d * row_d[o]
    for last in range(count - count % 4, count):
        x_a, row_a = x[terms[last]], weight[terms[last]]
        for o in range(out.shape[0]):
            out[o] = out[o] + x_a * row_a[o]


def add_product_reference(x: Floats, weight: Floats, out: Floats) -> Floats:
    """Return the values that `add_product` leaves in `out`."""
    return out + x @ weight


@compiled
def linear(x, layer, g, out, terms):
    """Write the outputs (O,) of a linear layer with weights of set g for input x (I,)."""
    bias = layer.bias[g]
    for o in range(out.shape[0]):
        out[o] = bias[o]
    add_product(x, layer.weight[g], out, terms)


def linear_reference(x: Floats, layer: Layer, g: int = 0) -> Floats:
    """Return the values that `linear` writes."""
    return layer.bias[g] + x @ layer.weight[g]


@compiled
def rectify(x):
    """Apply ReLU in place."""
    for k in range(x.shape[0]):
        x[k] = max(x[k], ZERO)


@compiled
def gru_cell(x, trunk, g, hidden, gates, terms):
    """Replace the hidden state (H,) by the next one, given the GRU's input (H,); `gates` is a buffer (2, 3H)."""
    width = hidden.shape[0]
    of_input, of_hidden = gates[0], gates[1]
    linear(x, trunk.of_input, g, of_input, terms)
    linear(hidden, trunk.of_hidden, g, of_hidden, terms)
    for k in range(2 * width):
        of_input[k] = sigmoid(of_input[k] + of_hidden[k])
    reset, update = of_input[:width], of_input[width:]
    of_input, of_hidden = of_input[2 * width :], of_hidden[2 * width :]
    for k in range(width):
        candidate = tanh(of_input[k] + reset[k] * of_hidden[k])
        hidden[k] = candidate + update[k] * (hidden[k] - candidate)


def gru_cell_reference(x: Floats, trunk: Trunk, g: int, hidden: Floats) -> Floats:
    """Return the hidden state that `gru_cell` writes."""
    of_input = np.split(linear_reference(x, trunk.of_input, g), 3)
    of_hidden = np.split(linear_reference(hidden, trunk.of_hidden, g), 3)
    reset, update = (1 / (1 + np.exp(-of_input[k] - of_hidden[k])) for k in (0, 1))
    candidate = np.tanh(of_input[2] + reset * of_hidden[2])
    return candidate + update * (hidden - candidate)


@compiled
def trunk_step(product, trunk, g, i, last_action, hidden, gates, terms):
    """Update agent i's hidden state (H,), given its observation's product (H,), which is overwritten."""
    of_agent, width = trunk.of_agent[i], hidden.shape[0]
    if last_action >= 0:
        of_action = trunk.of_action[g, last_action]
        for k in range(width):
            product[k] += of_action[k]
    for k in range(width):
        product[k] = max(product[k] + of_agent[k], ZERO)
    gru_cell(product, trunk, g, hidden, gates, terms)


def trunk_step_reference(product: Floats, trunk: Trunk, g: int, i: int, last_action: int, hidden: Floats) -> Floats:
    """Return the hidden state that `trunk_step` writes."""
    of_action = trunk.of_action[g, last_action] if last_action >= 0 else 0
    return gru_cell_reference(np.maximum(product + of_action + trunk.of_agent[i], 0), trunk, g, hidden)


@compiled
def normalise(units, activation):
    """Apply batch normalisation over all agents and leaky ReLU to their units (E, A, K) in place."""
    battles, agents, width = units.shape
    for k in range(width):
        mean, variance = 0.0, 0.0
        for b in range(battles):
            for i in range(agents):
                mean += units[b, i, k] / (battles * agents)
        for b in range(battles):
            for i in range(agents):
                variance += (units[b, i, k] - mean) ** 2 / (battles * agents)
        scale = activation.scale[k] / np.sqrt(f32(variance) + TINY)
        for b in range(battles):
            for i in range(agents):
                value = f32(units[b, i, k] - mean) * scale + activation.shift[k]
                units[b, i, k] = value if value > 0 else LEAK * value


def normalise_reference(units: Floats, activation: Activation) -> Floats:
    """Return the units that `normalise` writes."""
    scale = activation.scale / np.sqrt(units.var((0, 1)) + TINY)
    values = (units - units.mean((0, 1))) * scale + activation.shift
    normalised: Floats = np.where(values > 0, values, LEAK * values)
    return normalised


@compiled
def sample_role(units, encoder, noise, role, terms):
    """Sample a role (D,) with noise (D,), given the encoder's units (K,); write it to the front of `role` (2D,)."""
    linear(units, encoder.gaussian, 0, role, terms)
    for d in range(noise.shape[0]):
        variance = max(exp(role[noise.shape[0] + d]), f32(encoder.variance_floor))
        role[d] += np.sqrt(variance) * noise[d]


def sample_role_reference(units: Floats, encoder: RoleEncoder, noise: Floats) -> Floats:
    """Return the role that `sample_role` writes."""
    mean, log_variance = np.split(linear_reference(units, encoder.gaussian), 2)
    return mean + np.sqrt(np.exp(log_variance).clip(encoder.variance_floor)) * noise


@compiled
def generated_utilities(units, decoder, hidden, values, generated, terms):
    """Write the utilities (U,): generate a layer from the decoder's units (K,) and apply it to the GRU state (H,).

    `generated` is a buffer for the layer, (H + 1, U).
    """
    linear(units, decoder.generator, 0, generated.reshape(generated.size), terms)
    width = hidden.shape[0]
    for u in range(values.shape[0]):
        values[u] = generated[width, u]
    add_product(hidden, generated[:width], values, terms)


def generated_utilities_reference(units: Floats, decoder: RoleDecoder, hidden: Floats) -> Floats:
    """Return the utilities that `generated_utilities` writes."""
    generated = linear_reference(units, decoder.generator).reshape(len(hidden) + 1, -1)
    return hidden @ generated[:-1] + generated[-1]
