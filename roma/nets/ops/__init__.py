"""Hand-written numerics: functions with written-out gradients, each beside a plain reference of a few lines.

A reference says what a function computes; the function computes it faster, and on the CPU mostly by one call of a
compiled kernel. Networks and losses call these functions like any other of torch. Shapes are those of `roma.nets`, with
N = R * A rows of agents.
"""
