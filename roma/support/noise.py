"""Counter-based random numbers: a pure function of key, agent, timestep and purpose.

No generator keeps a state. Each number is computed from its address: a 64-bit key, which `roma.support.seeding` derives
from stream, run seed and episode (or update), and a counter of four 32-bit words: agent, timestep, block and purpose.
Two addresses never share a block of random words. The numbers of an agent therefore do not depend on the episodes
played in parallel, on their number or lengths, or on earlier draws.

The words are those of Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). Uniform
numbers are exact multiples of 2**-32 in [0, 1). Normal numbers are the inverse distribution function at 2**23
equidistant points, by the polynomials of Giles (2010, "Approximating the erfinv function"), correct to 1e-6. They use
only unfused single-precision additions, multiplications, divisions and square roots, and no system library. All numbers
are therefore equal bit for bit on every machine with IEEE arithmetic.

Shapes: R rows, each with its own key (one per episode of a round; one for a batch), T timesteps, A agents, L numbers
per agent and timestep.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from roma.support.compilation import Compiler

COMPILER = Compiler("roma.support.noise")
compiled, inlined = COMPILER.compiled, COMPILER.inlined


class Purpose(IntEnum):
    """Purpose of a random number. The values are part of every recorded result: append, never renumber."""

    EXPLORATION = 0  # whether an agent explores, its random action, and the action drawn from a stochastic policy
    ROLE = 1  # sampled roles of the agents
    TARGET_ROLE = 2  # sampled roles of the target network
    LATENT = 3  # latent of a whole episode
    MEMORY = 4  # remembered episodes that the policy over latents learns from


# Constants of Philox4x32: multipliers, and the increments of the key per round.
MULTIPLY_0, MULTIPLY_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_0, WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
ROUNDS, WORDS = 10, 4

f32, i32 = np.float32, np.int32
ONE, ONE_HALF, SQRT_TWO = f32(1), f32(0.5), f32(1.41421356)
LN_TWO = f32(0.693147182)
# ln(1 + z) = z - z^2 / 2 + z^3 p(z) for z in [sqrt(1/2) - 1, sqrt(2) - 1] (Cephes, logf), highest power first.
LOG = tuple(
    map(
        f32,
        (
            *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
            *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
        ),
    )
)
# erfinv(x) / x in w = -ln(1 - x^2): in w - 2.5 below 5, in sqrt(w) - 3 above (Giles, single precision).
CENTRAL = tuple(
    map(
        f32,
        (
            *(2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087),
            *(-0.00125372503, -0.00417768164, 0.246640727, 1.50140941),
        ),
    )
)
TAIL = tuple(
    map(
        f32,
        (
            *(-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773),
            *(-0.0076224613, 0.00943887047, 1.00167406, 2.83297682),
        ),
    )
)
SPLIT = f32(5)


def uniforms(
    purpose: Purpose, keys: Sequence[int] | NDArray[np.uint64], steps: int, agents: int, numbers: int, first: int = 0
) -> NDArray[np.float64]:
    """Draw uniform numbers from [0, 1).

    Args:
        purpose: Purpose of the numbers.
        keys: R keys in [0, 2**64).
        steps: T timesteps, from `first` on.
        agents: A agents.
        numbers: L numbers for each agent and timestep.
        first: Index of the first timestep.

    Returns:
        (R, T, A, L) float64, multiples of 2**-32.
    """
    out = np.empty((len(keys), steps, agents, numbers))
    draw_uniforms(int(purpose), np.asarray(keys, np.uint64), first, out)
    return out


def normals(
    purpose: Purpose, keys: Sequence[int] | NDArray[np.uint64], steps: int, agents: int, numbers: int, first: int = 0
) -> NDArray[np.float32]:
    """Draw standard normal numbers, (R, T, A, L) float32; see `uniforms` for the arguments."""
    out = np.empty((len(keys), steps, agents, numbers), np.float32)
    draw_normals(int(purpose), np.asarray(keys, np.uint64), first, np.empty(out.shape, np.uint32), out)
    return out


@inlined
def philox(key, agent, step, block, purpose):
    """Return the four 32-bit words at an address, as 64-bit numbers."""
    key_0, key_1 = key & LOW, key >> HALF
    word_0, word_1, word_2, word_3 = np.uint64(agent), np.uint64(step), np.uint64(block), np.uint64(purpose)
    for _ in range(ROUNDS):
        product_0, product_1 = MULTIPLY_0 * word_0, MULTIPLY_1 * word_2
        word_0, word_1, word_2, word_3 = (
            (product_1 >> HALF) ^ word_1 ^ key_0,
            product_1 & LOW,
            (product_0 >> HALF) ^ word_3 ^ key_1,
            product_0 & LOW,
        )
        key_0, key_1 = (key_0 + WEYL_0) & LOW, (key_1 + WEYL_1) & LOW
    return word_0, word_1, word_2, word_3


@compiled
def draw_words(purpose, keys, first, out):
    """Write the words of consecutive timesteps; keys (R,), out (R, T, A, L) of any type with at least 32 bits."""
    rows, steps, agents, numbers = out.shape
    for r in range(rows):
        for t in range(steps):
            for i in range(agents):
                for block in range((numbers + WORDS - 1) // WORDS):
                    words = philox(keys[r], i, first + t, block, purpose)
                    for k in range(min(WORDS, numbers - WORDS * block)):
                        out[r, t, i, WORDS * block + k] = words[k]


@compiled
def draw_uniforms(purpose, keys, first, out):
    """Write uniform numbers into out (R, T, A, L), float64."""
    draw_words(purpose, keys, first, out)
    flat = out.reshape(out.size)
    for k in range(flat.shape[0]):
        flat[k] *= 2.0**-32


@compiled
def draw_normals(purpose, keys, first, words, out):
    """Write normal numbers into out (R, T, A, L), float32; `words` is a uint32 buffer of the same shape."""
    draw_words(purpose, keys, first, words)
    flat_words, flat = words.reshape(words.size), out.reshape(out.size)
    for k in range(flat.shape[0]):  # a separate loop, so that the compiler vectorises it
        flat[k] = normal(flat_words[k])


@inlined
def normal(word):
    """Return the standard normal number given by the upper 23 bits of a random 32-bit word."""
    # An odd multiple of 2**-23 in (-1, 1): x, 1 - x and 1 + x are all exact.
    x = (f32(i32(word >> np.uint32(9))) + ONE_HALF) * f32(2.0**-22) - ONE
    w = -logarithm((ONE - x) * (ONE + x))
    central = polynomial(CENTRAL, w - f32(2.5))
    tail = polynomial(TAIL, np.sqrt(w) - f32(3))
    return (central if w < SPLIT else tail) * x * SQRT_TWO


@inlined
def logarithm(x):
    """Return ln x of a positive float32 that is not subnormal."""
    bits = f32(x).view(i32)
    exponent = i32((bits >> i32(23)) - i32(127))
    fraction = i32((bits & i32(0x7FFFFF)) | i32(0x3F800000)).view(f32)  # in [1, 2)
    upper = fraction > SQRT_TWO
    z = (fraction * ONE_HALF if upper else fraction) - ONE
    exponent = i32(exponent + i32(upper))
    square = z * z
    return z - ONE_HALF * square + square * z * polynomial(LOG, z) + f32(exponent) * LN_TWO


@inlined
def polynomial(coefficients, x):
    """Return the value at x of the polynomial with these coefficients, highest power first."""
    value = coefficients[0]
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value
