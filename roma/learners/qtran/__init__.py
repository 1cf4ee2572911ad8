"""QTRAN: its settings and its learner."""
