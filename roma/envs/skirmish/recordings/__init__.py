"""Recorded battles: one battle at a time, its file, its pictures. Nothing here decides how a battle goes."""
