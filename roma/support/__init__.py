"""Shared support code. Imports nothing of the project outside this package."""
