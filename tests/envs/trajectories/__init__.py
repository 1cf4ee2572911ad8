"""Recorded trajectories of the embedded engine: the guard of its version numbers, map by map.

python -m tests.envs.trajectories check              compare all maps with tests/golden/trajectories.json
python -m tests.envs.trajectories write              record maps that are new or whose version was raised
python -m tests.envs.trajectories record RUN ...     keep greedy play of trained runs, as seeds and actions
python -m tests.envs.trajectories branches           show branches of the kernel that no trajectory reaches
"""
