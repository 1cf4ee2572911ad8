"""Greedy play of trained weights, kept as seeds and actions.

Weights are not kept: the floats of a network differ between processors, and with them, rarely, a greedy action.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from safetensors import SafetensorError

from roma import learners, outputs
from roma.checkpoint import unpack
from roma.config import IDENTITY, resolve
from roma.envs.skirmish.engine import Skirmish
from roma.errors import UserError
from roma.runner import Runner
from roma.seeding import Stream
from tests.envs.trajectories.plays import TRAINED_PLAY, TrainedPlay


def record(place: Path, episodes: int) -> tuple[str, str]:
    """Play greedy episodes with the weights of a run folder or policy file and keep them.

    Returns the name of the map, and what was kept in words.

    They are played on the engine as it is, under its own settings, whatever settings the run was trained under.
    """
    path = outputs.last_policy(place) if place.is_dir() else place
    try:
        tensors, facts = unpack(path.read_bytes())
    except (OSError, struct.error, ValueError, LookupError, SafetensorError):
        raise UserError(f"{path} is neither a run folder nor a policy file of one") from None
    flat = facts["config"]
    plain = resolve(**{name: flat[name] for name in IDENTITY})
    if plain.engine != "embedded":
        raise UserError(f"{path} was trained on the engine {plain.engine!r}, not on 'embedded'")
    of_learner = {name: flat[name] for name in plain.settings() if name in flat and hasattr(plain.learner, name)}
    config = resolve(**{name: flat[name] for name in IDENTITY}, overrides=of_learner)
    env = Skirmish(config.map, episodes)
    learner = learners.make_learner(config.algorithm, config.learner, env.info, config.seed, "cpu")
    learner.load_policy_tensors(tensors)
    played = Runner(env, learner.actor(), config.seed).play(Stream.ROLLOUT, 0, episodes)
    policy = f"{config.algorithm}, protocol {config.protocol}, seed {config.seed}, {facts['step']} steps"
    seeds = np.array([episode.seed for episode in played])
    target = TRAINED_PLAY / f"{config.map}.npz"
    TrainedPlay(policy, seeds, [episode.actions.astype(np.int8) for episode in played]).save(target)
    won, length = (np.mean([getattr(each, name) for each in played]) for name in ("won", "length"))
    return config.map, (
        f"{target.name}: {policy}; {episodes} episodes of {length:.1f} timesteps on average, {won:.0%} won; "
        f"{target.stat().st_size} bytes"
    )
