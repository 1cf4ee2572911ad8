"""Measures of roles and behaviour in recorded episodes."""
