"""Columns of a snapshot (N, 6), which has one row for each unit by slot, agents first. Health 0 means dead."""

X, Y, HEALTH, SHIELD, ENERGY, COOLDOWN = range(6)
