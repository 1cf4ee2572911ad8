"""Seeds of one environment's episodes, for the drop-in classes of SMAC and PettingZoo."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from roma.support.errors import UserError


class EpisodeSeeds:
    """Sequence of episode seeds. The first seed, the episode's number and all earlier actions decide each seed.

    The same seed and the same actions repeat the whole sequence. Workers with the same seed share only their first
    episode if they then act differently. Training, tests and evaluation in this project do not use this class: their
    seeds do not depend on actions.

    Args:
        seed: A whole number from 0; None draws one from the system.

    Raises:
        UserError: The seed is negative or not a whole number.
    """

    def __init__(self, seed: int | None) -> None:
        self.seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else _whole(seed)
        self._number = 0
        self._history = b""

    def note(self, actions: NDArray[np.int64]) -> None:
        """Let one timestep's actions (A,) influence the seeds that follow."""
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
