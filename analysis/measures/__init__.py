"""Measures of roles and of behaviour in recorded episodes."""
