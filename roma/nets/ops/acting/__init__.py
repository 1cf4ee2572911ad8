"""Decisions of all agents of all battles, compiled: networks, exploration and choice in one call.

Kernels work on one agent's vectors, and each stands beside a reference in NumPy that says what it computes. Every
number that they make is a fixed sequence of IEEE additions, multiplications, divisions and square roots, none of them
fused, reordered or taken from a library of the system. So an agent's decision does not depend on how many battles run
side by side (unless batch normalisation shows them to it), and is equal bit for bit on every machine.

Shapes: E battles, A agents, O observation, U actions, H hidden state, K units of a role network's hidden layer, D role
dimensions, Z latents, G sets of weights: one that all agents share, or one for each.
"""
