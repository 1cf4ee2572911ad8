"""Support for everything else: imports nothing of the project outside this package."""
