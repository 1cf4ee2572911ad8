"""Facts that every engine shares: what is published of the game. No engine is imported here."""
