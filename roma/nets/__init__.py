"""Networks: agents, role networks, mixers. Shapes: B batch, T time, A agents, U actions, O observation, S state."""
