"""Episodes of a run: played in parallel, kept in the replay buffer, and stored beside checkpoints."""
