"""Learned play: recorded runs beside the released ones."""
