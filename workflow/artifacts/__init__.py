"""Results in DVC and git: what is tracked, what ships, and what is drawn of complete tranches."""
