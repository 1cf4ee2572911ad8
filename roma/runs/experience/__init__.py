"""Episodes of a run: played side by side, kept in the replay buffer, and stored beside checkpoints."""
