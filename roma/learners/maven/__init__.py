"""MAVEN: its settings and its learner."""
