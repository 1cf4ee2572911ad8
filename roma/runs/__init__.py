"""Training runs: configuration, training loop, experience, checkpoints, and the files of a run directory."""
