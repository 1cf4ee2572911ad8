"""ROMA: multi-agent reinforcement learning with emergent roles, and the baselines of its paper."""

__version__ = "0.1.0"
