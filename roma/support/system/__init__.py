"""Operating system and machine: processes, locks, streams, memory, processor, and the provenance that runs record."""
