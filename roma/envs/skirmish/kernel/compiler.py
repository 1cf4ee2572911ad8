"""Compilation of the kernel.

The kernel uses only + - * / sqrt floor, no threads and no contraction of operations. One seed therefore gives the same
battle bit for bit on every x86-64 machine and for every number of parallel battles.
"""

from __future__ import annotations

from roma.support.compilation import Compiler

KERNEL = Compiler("roma.envs.skirmish.kernel", "roma.scenarios.actions", "roma.scenarios.rows", "roma.scenarios.facts")
compiled, inlined, allocating = KERNEL.compiled, KERNEL.inlined, KERNEL.allocating
