"""Networks: agents, role networks, mixers, critics. Shapes: R rows, A agents, U actions, O observation, S state."""
