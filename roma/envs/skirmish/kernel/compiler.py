"""Compilation of the kernel.

Only + - * / sqrt floor are used, nothing is parallel and nothing is contracted, so that one seed gives the same battle
bit for bit on every x86-64 machine and for every number of battles.
"""

from __future__ import annotations

from roma.support.compilation import Compiler

KERNEL = Compiler("roma.envs.skirmish.kernel", "roma.scenarios.actions", "roma.scenarios.rows", "roma.scenarios.facts")
compiled, inlined, allocating = KERNEL.compiled, KERNEL.inlined, KERNEL.allocating
