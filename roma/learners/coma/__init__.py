"""COMA: its settings and its learner."""
