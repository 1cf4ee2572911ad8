"""ROMA: multi-agent reinforcement learning with emergent roles, and the baselines of its paper."""

from roma.support.system.processor import ignore_overrides

ignore_overrides()  # before any library that reads them is loaded

__version__ = "0.1.0"
