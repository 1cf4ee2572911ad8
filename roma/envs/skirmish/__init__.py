"""Skirmish: the embedded battle engine with SMAC's agent interface."""
