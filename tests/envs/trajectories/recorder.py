"""Greedy play of trained weights, kept as seeds and actions.

Weights are not kept: the floats of a network differ between processors, and with them, rarely, a greedy action.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from roma import learners
from roma.envs.skirmish.engine import Skirmish
from roma.runs import checkpoint
from roma.runs.config import NAMES, resolve
from roma.runs.directory import RunDirectory
from roma.runs.experience.runner import Runner
from roma.support.container import DamagedError
from roma.support.errors import UserError
from roma.support.seeding import Stream
from tests.envs.trajectories.plays import TRAINED_PLAY, TrainedPlay


def record(place: Path, episodes: int) -> tuple[str, str]:
    """Play greedy episodes with the weights of a run folder or policy file and keep them.

    Returns the name of the map, and what was kept in words.

    They are played on the engine as it is, under its own settings, whatever settings the run was trained under.
    """
    run = RunDirectory(place)
    path = run.policy_file(run.last_step()) if place.is_dir() else place
    try:
        tensors, facts = checkpoint.load_policy(path)
    except DamagedError:
        raise UserError(f"{path} is neither a run folder nor a policy file of one") from None
    names = {name: facts["config"][name] for name in NAMES}
    plain = resolve(**names)
    if plain.engine != "embedded":
        raise UserError(f"{path} was trained on the engine {plain.engine!r}, not on 'embedded'")
    config = resolve(**names, overrides=facts["config"]["hyperparameters"])
    env = Skirmish(config.map, episodes)
    learner = learners.make_learner(config.algorithm, config.hyperparameters, env.info, config.seed, "cpu")
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
