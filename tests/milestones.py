"""Simulated episodes with known answers."""

import numpy as np

from roma.recordings.rollout_file import NOBODY, Milestone


def milestone(agents=4, enemies=2, lengths=(40, 40), draws=4, **changes):
    """Return agents that walk east in a row, with distant enemies, random roles and no deaths.

    Agents move half a map unit per step. Exchanged roles do not change the actions of the agents.
    """
    noise = np.random.default_rng(0)
    moments = sum(lengths) + len(lengths)
    units = np.zeros((moments, agents + enemies, 6), np.float32)
    units[..., 1] = 10 + np.arange(agents + enemies)
    units[:, agents:, 0], units[:, agents:, 1] = 30, 11.5
    units[..., 2] = 100
    start = 0
    for length in lengths:
        steps = np.arange(length + 1)
        units[start : start + length + 1, :agents, 0] = 0.5 * steps[:, None]
        start += length + 1
    actions = np.full((moments, agents), 3, np.int8)
    actions[np.cumsum(np.array(lengths) + 1) - 1] = NOBODY
    actions = changes.get("actions", actions)
    tried = np.flatnonzero(actions[:, 0] != NOBODY)
    own = np.repeat(actions[tried, :, None], draws, -1)
    pairs, episodes = (moments, agents, agents), len(lengths)
    values = {
        "step": 0,
        "seeds": np.arange(episodes),
        "won": np.ones(episodes, bool),
        "lengths": np.array(lengths),
        "types": np.zeros((episodes, agents + enemies), np.uint8),
        "units": units,
        "actions": actions,
        "role_mean": noise.normal(size=(moments, agents, 3)).astype(np.float32),
        "role_variance": np.ones((moments, agents, 3), np.float32),
        "divergence": np.full((moments, agents), 0.25, np.float32),
        "information": noise.standard_normal(pairs, np.float32).astype(np.float16),
        "dissimilarity": noise.random(pairs, np.float32).astype(np.float16),
        "rows": np.argwhere(actions != NOBODY)[agents:].astype(np.int32),
        "trajectory": np.zeros((1, 8), np.float16),
        "returns": np.full(episodes, 20, np.float32),
        "shuffled_won": np.ones(episodes, bool),
        "shuffled_returns": np.full(episodes, 20, np.float32),
        "tried": tried.astype(np.int32),
        "resampled": own,
        "lender": np.broadcast_to((np.arange(agents)[:, None] + 1) % agents, own.shape).astype(np.int8),
        "exchanged": own,
    }
    return Milestone(**values | changes)
