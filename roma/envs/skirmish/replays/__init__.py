"""Recorded battles: playing one at a time, its file, its pictures.

A folder of its own, because the engine's digest covers the files beside it: a new colour must not make another engine.
"""
