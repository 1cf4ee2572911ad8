"""Columns of a unit's row in a snapshot (N, 6): units by slot, agents first. Health 0 means dead."""

X, Y, HEALTH, SHIELD, ENERGY, COOLDOWN = range(6)
