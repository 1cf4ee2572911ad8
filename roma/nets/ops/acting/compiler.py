"""Compilation of the kernels: no sum is reordered, no operation contracted."""

from roma.support.compilation import Compiler

COMPILER = Compiler("roma.nets.ops.acting")
compiled, inlined = COMPILER.compiled, COMPILER.inlined
