"""The operating system and the machine: processes, locks, streams, memory, processor, and what runs record of them."""
