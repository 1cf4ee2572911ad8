"""Compilation of the kernels, without reordering of sums and without contraction of operations."""

from roma.support.compilation import Compiler

COMPILER = Compiler("roma.nets.ops.acting")
compiled, inlined = COMPILER.compiled, COMPILER.inlined
