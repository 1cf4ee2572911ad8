"""Evaluation and recording of trained policies, and calibration of the engine. Learners do not import this package."""
