"""Comparison of training runs on the embedded engine with the released ones."""
