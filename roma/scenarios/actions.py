"""Numbers of SMAC's actions, and the ranges of attacks and of sight."""

NOTHING, STOP, NORTH, SOUTH, EAST, WEST, FIRST_TARGET = range(7)
SHOOT_RANGE, SIGHT_RANGE = 6.0, 9.0  # map units, centre to centre; the same for all units
