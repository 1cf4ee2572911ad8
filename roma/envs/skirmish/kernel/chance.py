"""Random numbers: one counter-based stream (SplitMix64) for each battle."""

from __future__ import annotations

import numpy as np

from roma.envs.skirmish.kernel.compiler import compiled, inlined


@inlined
def uniform(random):
    """Return the next number in [0, 1) of a stream (1,).

    SplitMix64 is a counter and a mixer (Steele et al., 2014, "Fast splittable pseudorandom number generators").
    """
    random[0] += np.uint64(0x9E3779B97F4A7C15)
    z = random[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@inlined
def shuffle(turn, random):
    """Shuffle the order (N,) in which units act."""
    for k in range(turn.shape[0] - 1, 0, -1):
        j = int(uniform(random) * (k + 1))
        turn[k], turn[j] = turn[j], turn[k]


@compiled
def random_available(avail, random, actions):
    """Draw an available action for each agent uniformly: avail (E, A, U), actions (E, A); 0 if none is available."""
    for b in range(avail.shape[0]):
        for i in range(avail.shape[1]):
            count = 0
            for u in range(avail.shape[2]):
                count += avail[b, i, u]
            left = int(uniform(random) * count)
            actions[b, i] = 0
            for u in range(avail.shape[2]):
                if avail[b, i, u]:
                    if left == 0:
                        actions[b, i] = u
                        break
                    left -= 1
