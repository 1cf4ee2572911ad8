"""Seeds of one environment's episodes, for the drop-in classes."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from roma.support.errors import UserError


class EpisodeSeeds:
    """Seeds of episodes, each decided by a first seed, the episode's number and all actions that were taken before it.

    So an environment repeats as a whole under the same play, and workers that were given one seed part as soon as they
    play differently: only their first episodes are equal. Training, tests and evaluation of this project do not use it:
    their seeds do not depend on play.

    Args:
        seed: a whole number from 0; None draws one from the system.

    Raises:
        UserError: the seed is negative or not a whole number.
    """

    def __init__(self, seed: int | None) -> None:
        self.seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else _whole(seed)
        self._number = 0
        self._history = b""

    def note(self, actions: NDArray[np.int64]) -> None:
        """Take account of one timestep's actions."""
        self._history = blake2b(self._history + actions.tobytes(), digest_size=16).digest()

    def next(self) -> int:
        """Return the seed of the next episode, in [0, 2**63)."""
        self._history = blake2b(b"%d %d " % (self.seed, self._number) + self._history, digest_size=16).digest()
        self._number += 1
        return int.from_bytes(self._history[:8], "little") >> 1


def _whole(seed: int) -> int:
    if int(seed) != seed or seed < 0:
        raise UserError(f"the seed must be a whole number from 0, not {seed}")
    return int(seed)
