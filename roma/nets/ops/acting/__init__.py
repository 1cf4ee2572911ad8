"""Compiled actors: networks, exploration and choice for all agents of all battles in one call.

Kernels work on the vectors of one agent, and each stands beside a reference in NumPy that defines its result. Every
number is a fixed sequence of IEEE additions, multiplications, divisions and square roots; none is fused, reordered or
computed by a library of the system. An agent's action is therefore equal bit for bit on all machines and, without batch
normalisation, for any number of parallel battles.

Shapes: E battles, A agents, O observation, U actions, H hidden state, K units of a role network's hidden layer, D role
dimensions, Z latents, G sets of weights: one that all agents share, or one for each.
"""
