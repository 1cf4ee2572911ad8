"""A stand-in for SMAC: same modules, names, signatures and quirks, with a toy battle and a toy game process."""
