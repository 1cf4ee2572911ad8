"""Compilation of the kernels, and elementary functions inside them.

Kernels take NumPy arrays of one floating type: float32 in runs, float64 in tests that compare gradients with finite
differences. The compiler may contract a product and a sum into one operation, and may sum in vectors. The last bits of
results therefore depend on the processor's instruction set, but not on memory addresses or the number of cores.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray
from torch import Tensor

from roma.nets.ops.compiler import COMPILER
from roma.support.system.threads import one_blas_thread

BLOCK = 1024  # rows whose products stay in the processor's cache

one_blas_thread()
_RELAXED = {"contract", "nsz", "arcp"}  # infinities and NaN stay as they are


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a kernel."""
    return COMPILER.compile(function, fastmath=_RELAXED)


def summing(function: Callable[..., Any]) -> Any:
    """Compile a kernel whose inner loops may be summed in several partial sums."""
    return COMPILER.compile(function, fastmath=_RELAXED | {"reassoc"})


def arrays(*values: Tensor) -> tuple[NDArray[Any], ...]:
    """Return tensors on the CPU as contiguous NumPy arrays; contiguous tensors are not copied."""
    return tuple(value.detach().contiguous().numpy() for value in values)


LIMIT = np.float32(87.0)  # exp of larger numbers is infinite
LOG2_E = np.float32(1.4426950408889634)
LN_2 = np.float32(0.693359375), np.float32(-2.12194440e-4)  # two parts; multiples of the first are exact
EXP = tuple(map(np.float32, (1.9875691e-4, 1.39819995e-3, 8.3334519e-3, 4.1665796e-2, 1.6666666e-1, 0.5, 1, 1)))
ONE, TWO, HALF = np.float32(1), np.float32(2), np.float32(0.5)
EXPONENT_BIAS, MANTISSA_BITS = np.int32(127), np.int32(23)


def exp(x: Any) -> Any:
    """Return e to the power of a number, inside kernels."""
    return math.exp(x)


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)) of a number, inside kernels."""
    return 1 / (1 + math.exp(-x))


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent of a number, inside kernels."""
    return math.tanh(x)


def _exp_of_float32(x):
    """Return 2**k times a polynomial on [-ln 2 / 2, ln 2 / 2]; it can be vectorised, as it has no calls."""
    x = LIMIT if x > LIMIT else x
    x = -LIMIT if x < -LIMIT else x
    k = np.floor(x * LOG2_E + HALF)
    f = x - k * LN_2[0] - k * LN_2[1]
    p = ((((((EXP[0] * f + EXP[1]) * f + EXP[2]) * f + EXP[3]) * f + EXP[4]) * f + EXP[5]) * f + EXP[6]) * f + EXP[7]
    return p * np.int32((np.int32(k) + EXPONENT_BIAS) << MANTISSA_BITS).view(np.float32)


_inlined: Any = {"fastmath": _RELAXED, "forceinline": True}  # no reordering: it would add the parts of LN_2


@overload(exp, jit_options=_inlined)
def _overloaded_exp(x):
    return _exp_of_float32 if x == types.float32 else lambda x: math.exp(x)


@overload(sigmoid, jit_options=_inlined)
def _overloaded_sigmoid(x):
    if x == types.float32:
        return lambda x: ONE / (ONE + exp(-x))
    return lambda x: 1 / (1 + math.exp(-x))


@overload(tanh, jit_options=_inlined)
def _overloaded_tanh(x):
    if x == types.float32:
        return lambda x: TWO * sigmoid(TWO * x) - ONE
    return lambda x: math.tanh(x)
