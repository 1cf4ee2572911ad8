"""The real game through SMAC: environment, worker process and installation."""
