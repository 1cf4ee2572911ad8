"""How a run goes, and where its files lie."""
