"""Results in DVC and git: tracked results, shipped runs, and the figures of complete tranches."""
