"""Evaluation of finished policies and of the engine they play on. Learners do not import this package."""
