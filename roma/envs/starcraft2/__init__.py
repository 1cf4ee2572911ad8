"""StarCraft II through SMAC: environment, worker processes and installation."""
