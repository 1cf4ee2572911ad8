"""Hand-written numerics: functions with explicit gradients, each beside a plain reference of a few lines.

The reference defines the result. The function computes it faster, on the CPU usually in one call of a compiled kernel.
Networks and losses call these functions like any function of torch. Shapes are those of `roma.nets`, and N = R * A is
the number of rows of agents.
"""
