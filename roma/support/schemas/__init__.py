"""Settings and structured files: their declaration, description and validation."""
